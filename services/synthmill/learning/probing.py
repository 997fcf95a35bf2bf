"""Trains probes: small classifiers whose accuracy on real records says what the records they learned from are worth."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from synthmill.kinds.base import Columns, Learning, Schema
from synthmill.learning.data import Order, count_records, load, make_order
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.task import LABEL, CheckCallback

BATCH_SIZE = 128
"""Records in a step of a probe."""

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


class Supply(Protocol):
    """Records to learn from: an endless stream of which any stretch can be had, so that a step is a pure function."""

    def take(self, start: int, count: int) -> Columns:
        """Returns the records at positions start to start + count.

        "label" among them is the class, int64 (count,), or shares of the classes, float32 (count, classes).
        """


class Drawn:
    """Records as they are, in an order.

    Args:
        columns: the records and their labels.
        order: which one is where in the stream.
    """

    def __init__(self, columns: Columns, order: Order) -> None:
        self._columns, self._order = columns, order

    def take(self, start: int, count: int) -> Columns:
        """Returns the records at positions start to start + count, with their labels."""
        return load(self._columns, self._order.take(start, count))


def probe_accuracy(plan: Probing, train: Columns, test: Columns, seed: int, check: CheckCallback) -> float:
    """Trains a probe and returns the share of test records that it classifies correctly.

    Args:
        plan: how it learns.
        train: columns and labels to learn from.
        test: columns and labels to classify.
        seed: of weights and order.
        check: called between steps; raises to stop.
    """
    found = classify(plan, train_probe(plan, train, seed, check), test, check)
    return float((found == test[LABEL]).mean())


def train_probe(plan: Probing, train: Columns, seed: int, check: CheckCallback) -> nn.Module:
    """Trains a probe on records that all come equally often.

    Two calls with the same seed differ by their records alone: the first weights and the order are the same.

    Args:
        plan: how it learns.
        train: columns and labels to learn from.
        seed: of weights and order.
        check: called between steps; raises to stop.
    """
    return learn(plan, Drawn(train, make_order(train, seed, plan.label_count, "natural")), seed, check)


def learn(
    plan: Probing, supply: Supply, seed: int, check: CheckCallback, class_weights: np.ndarray | None = None
) -> nn.Module:
    """Trains a probe on whatever a supply gives.

    Args:
        plan: how it learns.
        supply: what it learns from.
        seed: of its first weights.
        check: called between steps; raises to stop.
        class_weights: what an error in each class counts, float (classes,); None counts all alike.
    """
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, Stream.PROBE))
        probe = plan.learning.probe(plan.schema, plan.label_count)
    probe.to(plan.device, memory_format=torch.channels_last)
    weight = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32, device=plan.device)
    optimizer = torch.optim.Adam(probe.parameters(), lr=_RATE, fused=True)
    for step in range(plan.steps):
        check()
        # Down to zero in a line: a probe that has come to rest depends less on its last few batches.
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1 - step / plan.steps)
        batch = supply.take(step * BATCH_SIZE, BATCH_SIZE)
        label = torch.from_numpy(batch[LABEL]).to(plan.device)
        optimizer.zero_grad(set_to_none=True)
        # A mean over the batch, not over the weights in it: a rare record counts the same in whichever batch it comes.
        F.cross_entropy(probe(_to_input(plan, batch)), label, weight=weight, reduction="none").mean().backward()
        optimizer.step()
    return probe.eval()


@torch.no_grad()
def classify(plan: Probing, probe: nn.Module, columns: Columns, check: CheckCallback) -> np.ndarray:
    """Returns the class that a probe gives each record, int64 (N,).

    Args:
        plan: how it learned.
        probe: what `learn` returned.
        columns: the records; their labels are not looked at.
        check: called between batches; raises to stop.
    """
    found = []
    for start in range(0, count_records(columns), _TEST_BATCH):
        check()
        rows = np.arange(start, min(start + _TEST_BATCH, count_records(columns)))
        x = _to_input(plan, {name: np.asarray(array[rows]) for name, array in columns.items()})
        found.append(probe(x).argmax(dim=1).cpu().numpy())
    return np.concatenate(found)


def _to_input(plan: Probing, columns: Columns) -> torch.Tensor:
    batch = {name: torch.from_numpy(array).to(plan.device) for name, array in columns.items() if name != LABEL}
    x = plan.learning.to_input(batch)
    # The layout in which convolutions are fastest on a CPU.
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
