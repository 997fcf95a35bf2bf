"""SMOTE for records of any kind: points between neighbours of a class (Chawla et al. 2002, arXiv 1106.1813)."""

from __future__ import annotations

import math

import numpy as np
import torch
from imblearn.over_sampling import SMOTE

from synthmill.kinds.base import Columns, Learning
from synthmill.learning.data import load
from synthmill.learning.draws import Stream, derive_seed, derive_sequence
from synthmill.learning.task import LABEL, CheckCallback

_NEIGHBOURS = 5
# Neighbours are looked for among so many records of a class: the time grows with their square.
_MOST_BASES = 4096
# Numbers in all records that are made, as float32: 128 MiB. The class that is short of most gets most of them.
_MOST_NUMBERS = 2**25


def interpolate(learning: Learning, real: Columns, label_count: int, seed: int, check: CheckCallback) -> Columns | None:
    """Makes records of every class but the largest, as many as it lacks to be as large; None if nothing is to be made.

    Records are points in the networks' inputs, and what is made is turned into columns as a generator's output is, so
    that it is whatever the kind's records are: levels of grey are whole numbers again. Nothing is made of a class of a
    single record, which has no neighbours. Where all that is missing would be too much for memory, each class gets the
    same share of what it lacks.

    Args:
        learning: turns columns into points and back.
        real: records and labels.
        label_count: number of classes.
        seed: of the choice of neighbours and of the points between them.
        check: called between classes; raises to stop.
    """
    label = np.asarray(real[LABEL])
    sizes = np.bincount(label, minlength=label_count)
    missing = np.where(sizes > 1, sizes.max() - sizes, 0)
    numbers = math.prod(_to_points(learning, load(real, np.zeros(1, np.int64))).shape)
    if (most := _MOST_NUMBERS // numbers) < missing.sum():
        missing = missing * most // missing.sum()
    parts = []
    for name in np.flatnonzero(missing).tolist():
        check()
        generator = np.random.default_rng(derive_sequence(seed, Stream.BASELINES, name))
        rows = generator.permutation(np.flatnonzero(label == name))[:_MOST_BASES]
        points = _to_points(learning, load(real, rows))
        made = _between(points.flatten(1).numpy(), int(missing[name]), derive_seed(seed, Stream.BASELINES, name))
        decoded = learning.decode(torch.from_numpy(made).reshape(-1, *points.shape[1:]))
        parts.append({key: tensor.numpy() for key, tensor in decoded.items()} | {LABEL: np.full(len(made), name)})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else None


def _to_points(learning: Learning, columns: Columns) -> torch.Tensor:
    return learning.to_input({name: torch.from_numpy(array) for name, array in columns.items() if name != LABEL})


def _between(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns so many points between points of one class, float32 (count, D)."""
    # The library oversamples one class beside others; here there is none, so one point stands for all others.
    padded = np.concatenate([points, points[:1]])
    ours = np.arange(len(padded)) < len(points)
    smote = SMOTE(
        sampling_strategy={True: len(points) + count},
        k_neighbors=min(_NEIGHBOURS, len(points) - 1),
        random_state=seed % 2**32,
    )
    return smote.fit_resample(padded, ours)[0][len(padded) :]
