"""Real digits in the roles of an evaluation, and generators that are known to be good or bad."""

from __future__ import annotations

import functools

import numpy as np
import torch

from support.data import digits
from synthmill.kinds.base import Columns
from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.comparison import Comparison

DIGITS = tuple("0123456789")
SCHEMA = {"height": 8, "width": 8, "channels": 1}
COMPARISON = Comparison(get_kind("image"), SCHEMA, DIGITS, 5, torch.device("cpu"), most=200)
UNLABELLED = Comparison(get_kind("image"), SCHEMA, (), 5, torch.device("cpu"), most=200)


@functools.cache
def parts() -> tuple[Columns, Columns, Columns]:
    """Returns training records, held-out ones, and those of a perfect generator, which is new to both."""
    images, labels = digits()
    rows = np.random.default_rng(0).permutation(len(images))
    splits = rows[:700], rows[700:1300], rows[1300:]
    return tuple({"image": images[part, :, :, None], "label": labels[part]} for part in splits)


def noisy(columns: Columns, deviation: float = 8.0) -> Columns:
    """Returns copies whose pixels are off by a few levels."""
    noise = np.random.default_rng(1).normal(0, deviation, columns["image"].shape)
    return {**columns, "image": np.clip(np.round(columns["image"] + noise), 0, 255).astype(np.uint8)}


def collapsed(columns: Columns, label: int) -> Columns:
    """Returns records among which those of one class are all like its first."""
    first = columns["image"][np.flatnonzero(columns["label"] == label)[0]]
    image = np.where((columns["label"] == label)[:, None, None, None], first, columns["image"])
    return noisy({**columns, "image": image}, 1.0)


def shuffled(columns: Columns) -> Columns:
    """Returns records whose labels are those of others."""
    return {**columns, "label": np.random.default_rng(2).permutation(columns["label"])}
