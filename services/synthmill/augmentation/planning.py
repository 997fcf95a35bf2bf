"""Decides which results an augmented dataset gets, of which records; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from synthmill.runtime.errors import FailedPrecondition

MAX_RESULTS = 100_000_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """Results in the order in which they are made and stored.

    Copy c of record r has the index c * (number of records) + r: it is the same however many copies are asked for.

    Attributes:
        sources: position of the record that each is made of, int64 (N,).
        indices: index that each is made with, int64 (N,), ascending.
    """

    sources: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.sources)


def plan_copies(record_count: int, copies: int) -> Plan:
    """Plans as many results for each record."""
    indices = np.arange(record_count * copies, dtype=np.int64)
    return Plan(indices % record_count, indices)


def plan_missing(labels: np.ndarray, missing: Sequence[int]) -> Plan:
    """Plans as many results for each class as are missing, its records taking turns.

    Args:
        labels: class of each record, (N,).
        missing: results for each class; zero where a class has no records.
    """
    sources, copies = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for label, count in enumerate(missing):
        members = np.flatnonzero(labels == label)
        turns = np.arange(count, dtype=np.int64)
        sources.append(members[turns % len(members)] if count else turns)
        copies.append(turns // max(1, len(members)))
    indices = np.concatenate(copies) * len(labels) + np.concatenate(sources)
    order = np.argsort(indices, kind="stable")
    return Plan(np.concatenate(sources)[order], indices[order])


def count_missing(
    class_counts: Sequence[int], names: Sequence[str], records_per_class: int, *, keep_originals: bool
) -> list[int]:
    """Returns how many results each class needs to reach a number of records.

    Args:
        class_counts: records of each class.
        names: of the classes.
        records_per_class: the number; zero means the size of the largest class.
        keep_originals: whether the records count towards it.

    Raises:
        FailedPrecondition: a class has no record that results could be made of.
    """
    target = records_per_class or max(class_counts)
    if empty := [name for name, count in zip(names, class_counts, strict=True) if not count]:
        raise FailedPrecondition(
            f"no results can be made for {', '.join(empty)}: there are no training records of it", field="dataset"
        )
    return [max(0, target - count) if keep_originals else target for count in class_counts]
