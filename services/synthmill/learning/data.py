"""Batches from arrays on disk: which records a step sees is a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthmill.kinds.base import Columns
from synthmill.learning.draws import Stream, derive_sequence
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import BadData

ColumnShapes = Mapping[str, tuple[np.dtype, tuple[int, ...]]]


def open_columns(paths: Mapping[str, Path], expected: ColumnShapes, label_count: int) -> Columns:
    """Maps .npy files into memory.

    Args:
        paths: file by column name.
        expected: dtype and shape of one record's part of each of the kind's columns.
        label_count: number of classes; if there are any, there must be a column of labels.

    Raises:
        BadData: a column is missing, is no array or another one than expected; there are no records; a label is none.
    """
    if label_count:
        expected = {**expected, LABEL: (np.dtype(np.int64), ())}
    if set(paths) != set(expected):
        raise BadData(f"columns {', '.join(sorted(paths)) or 'none'}; expected {', '.join(sorted(expected))}")
    columns = {name: _open(name, path) for name, path in paths.items()}
    for name, (dtype, shape) in expected.items():
        found = (columns[name].dtype, columns[name].shape[1:])
        if found != (dtype, shape) or not columns[name].ndim:
            raise BadData(f"column {name!r} holds {found[0]} {list(found[1])} per record, expected {dtype} {shape}")
    lengths = {name: len(array) for name, array in columns.items()}
    if len(set(lengths.values())) > 1 or not min(lengths.values()):
        raise BadData(f"columns must have the same number of records, at least one; they have {lengths}")
    if label_count:
        low, high = int(columns[LABEL].min()), int(columns[LABEL].max())
        if low < 0 or high >= label_count:
            raise BadData(f"labels from {low} to {high}, allowed: 0 to {label_count - 1}", field=LABEL)
    return columns


def _open(name: str, path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise BadData(f"column {name!r} is no array: {error}", field=name) from error


class Order:
    """The endless order in which records are drawn.

    Records are split into groups, one per class or one for all. The stream visits the groups in rounds, each round in
    its own order; within a group every record comes once before any comes again.

    Args:
        seed: of the order.
        groups: positions of the records of each group; empty groups are left out.
    """

    def __init__(self, seed: int, groups: list[np.ndarray]) -> None:
        self._seed = seed
        self._groups = [group for group in groups if len(group)]
        self._shuffles: dict[int, tuple[int, np.ndarray]] = {}

    def take(self, start: int, count: int) -> np.ndarray:
        """Returns the records at positions start to start + count of the stream, int64 (count,)."""
        return np.array([self._at(position) for position in range(start, start + count)], np.int64)

    def _at(self, position: int) -> int:
        visit, turn = divmod(position, len(self._groups))
        group = int(self._shuffle(0, visit, len(self._groups))[turn])
        members = self._groups[group]
        lap, place = divmod(visit, len(members))
        return int(members[self._shuffle(1 + group, lap, len(members))[place]])

    def _shuffle(self, stream: int, number: int, size: int) -> np.ndarray:
        """Returns a random order; the last one of each stream is kept at hand."""
        known = self._shuffles.get(stream)
        if known is None or known[0] != number:
            generator = np.random.default_rng(derive_sequence(self._seed, Stream.ORDER, stream, number))
            known = self._shuffles[stream] = (number, generator.permutation(size))
        return known[1]


def make_order(columns: Columns, seed: int, label_count: int, balance_classes: bool) -> Order:
    """Returns the order of a run: all classes equally often, or all records."""
    if label_count and balance_classes:
        labels = np.asarray(columns[LABEL])
        return Order(seed, [np.flatnonzero(labels == label) for label in range(label_count)])
    return Order(seed, [np.arange(count_records(columns))])


def count_records(columns: Columns) -> int:
    """Returns how many records columns have."""
    return len(next(iter(columns.values())))


def load(columns: Columns, rows: np.ndarray) -> Columns:
    """Copies records from disk, in the order of `rows`."""
    # Ascending reads are kind to the disk.
    ascending, inverse = np.unique(rows, return_inverse=True)
    return {name: np.asarray(array[ascending])[inverse] for name, array in columns.items()}
