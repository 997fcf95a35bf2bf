"""Trains probes: small classifiers whose accuracy on real records says what the records they learned from are worth."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from synthmill.kinds.base import Columns, Learning, Schema
from synthmill.learning.data import count_records
from synthmill.learning.draws import Stream, derive_seed, derive_sequence
from synthmill.learning.task import LABEL, CheckCallback

_BATCH = 128
_TEST_BATCH = 1024
_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Probing:
    """What probes are made of and how they learn.

    Attributes:
        learning: makes them, and their inputs.
        schema: the kind's schema of the records.
        label_count: number of classes.
        steps: batches that each learns from; the records come round as often as that takes.
        device: where they are trained.
    """

    learning: Learning
    schema: Schema
    label_count: int
    steps: int
    device: torch.device


def probe_accuracy(plan: Probing, train: Columns, test: Columns, seed: int, check: CheckCallback) -> float:
    """Trains a probe and returns the share of test records that it classifies correctly.

    Two calls with the same seed differ by their records alone: the first weights and the order are the same.

    Args:
        plan: how it learns.
        train: columns and labels to learn from.
        test: columns and labels to classify.
        seed: of weights and order.
        check: called between steps; raises to stop.
    """
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, Stream.PROBE))
        probe = plan.learning.probe(plan.schema, plan.label_count)
    probe.to(plan.device)
    _train(plan, probe, train, seed, check)
    return _accuracy(plan, probe, test, check)


def _train(plan: Probing, probe: nn.Module, columns: Columns, seed: int, check: CheckCallback) -> None:
    optimizer = torch.optim.Adam(probe.parameters(), lr=_RATE)
    for step, rows in enumerate(_batches(count_records(columns), plan.steps, seed)):
        check()
        # Down to zero in a line: a probe that has come to rest depends less on its last few batches.
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / plan.steps)
        x, label = _load(plan, columns, rows)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(probe(x), label).backward()
        optimizer.step()


def _batches(count: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Yields the rows of each batch; every record comes once before any comes again."""
    left = steps
    for lap in itertools.count():
        order = np.random.default_rng(derive_sequence(seed, Stream.PROBE, lap)).permutation(count)
        for start in range(0, count, _BATCH):
            if not left:
                return
            yield order[start : start + _BATCH]
            left -= 1


@torch.no_grad()
def _accuracy(plan: Probing, probe: nn.Module, columns: Columns, check: CheckCallback) -> float:
    count, hits = count_records(columns), 0
    for start in range(0, count, _TEST_BATCH):
        check()
        x, label = _load(plan, columns, np.arange(start, min(start + _TEST_BATCH, count)))
        hits += int((probe(x).argmax(dim=1) == label).sum())
    return hits / count


def _load(plan: Probing, columns: Columns, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    batch = {name: torch.from_numpy(np.asarray(array[rows])).to(plan.device) for name, array in columns.items()}
    label = batch.pop(LABEL)
    return plan.learning.to_input(batch), label
