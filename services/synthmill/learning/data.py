"""Batches from arrays on disk: which records a step sees is a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from synthmill.kinds.base import Columns
from synthmill.learning.draws import Stream, derive_sequence
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import BadData, InvalidField

_ROUNDS_PER_BLOCK = 64
# Weights are rounded to whole visits; with this many per class and round, a class of average weight is off by 2 %.
_SLOTS_PER_CLASS = 32

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

    Records are split into groups, one per class or one for all. The stream visits the groups in rounds, in each round
    every group as often as its share says, in an order of the round's own; within a group every record comes once
    before any comes again.

    Args:
        seed: of the order.
        groups: positions of the records of each group; empty groups are left out.
        shares: visits to each group in a round, at least 1; once each if they are not given.
    """

    def __init__(self, seed: int, groups: Sequence[np.ndarray], shares: Sequence[int] = ()) -> None:
        self._seed = seed
        pairs = [pair for pair in zip(groups, shares or [1] * len(groups), strict=True) if len(pair[0])]
        self._groups = [group for group, _ in pairs]
        self._shares = np.array([share for _, share in pairs])
        # A slot of a round is a group and which of its visits in the round that is.
        self._slot_groups = np.repeat(np.arange(len(pairs)), self._shares)
        self._slot_visits = np.concatenate([np.arange(share) for share in self._shares])
        self._shuffles: dict[int, tuple[int, np.ndarray]] = {}

    def take(self, start: int, count: int) -> np.ndarray:
        """Returns the records at positions start to start + count of the stream, int64 (count,)."""
        slots_per_round = len(self._slot_groups)
        rounds, turns = np.divmod(np.arange(start, start + count), slots_per_round)
        slots = np.empty(count, np.int64)
        for block in np.unique(rounds // _ROUNDS_PER_BLOCK):
            here = rounds // _ROUNDS_PER_BLOCK == block
            slots[here] = self._block(block)[rounds[here] % _ROUNDS_PER_BLOCK, turns[here]]
        groups = self._slot_groups[slots]
        visits = rounds * self._shares[groups] + self._slot_visits[slots]
        rows = np.empty(count, np.int64)
        for group in np.unique(groups):
            here = groups == group
            rows[here] = self._members(group, visits[here])
        return rows

    def _members(self, group: int, visits: np.ndarray) -> np.ndarray:
        """Returns which records are seen at some visits to a group."""
        members = self._groups[group]
        laps, places = np.divmod(visits, len(members))
        found = np.empty(len(visits), np.int64)
        for lap in np.unique(laps):
            here = laps == lap
            shuffle = self._remember(1 + group, lap, lambda rng: rng.permutation(len(members)))
            found[here] = members[shuffle[places[here]]]
        return found

    def _block(self, number: int) -> np.ndarray:
        """Returns the orders of some rounds, (rounds, slots): drawing them together costs little more than one."""
        slots = np.arange(len(self._slot_groups))
        return self._remember(0, number, lambda rng: rng.permuted(np.tile(slots, (_ROUNDS_PER_BLOCK, 1)), axis=1))

    def _remember(self, stream: int, number: int, draw: Callable[[np.random.Generator], np.ndarray]) -> np.ndarray:
        """Draws one of a stream of arrays; the last one of each stream is kept at hand."""
        known = self._shuffles.get(stream)
        if known is None or known[0] != number:
            generator = np.random.default_rng(derive_sequence(self._seed, Stream.ORDER, stream, int(number)))
            known = self._shuffles[stream] = (number, draw(generator))
        return known[1]


def make_order(columns: Columns, seed: int, label_count: int, class_weights: str) -> Order:
    """Returns the order of a run.

    Args:
        columns: the records.
        seed: of the order.
        label_count: number of classes; without any, all records come equally often.
        class_weights: how often each class comes: "balanced" is equally often, "natural" as often as in the records,
            "square_root" between the two; or numbers, one per class in the order of the labels, with commas between.

    Raises:
        InvalidField: the weights are none of these.
    """
    if not label_count or class_weights == "natural":
        return Order(seed, [np.arange(count_records(columns))])
    labels = np.asarray(columns[LABEL])
    groups = [np.flatnonzero(labels == label) for label in range(label_count)]
    if class_weights == "balanced":
        return Order(seed, groups)
    sizes = np.array([len(group) for group in groups])
    weights = np.sqrt(sizes) if class_weights == "square_root" else _parse_weights(class_weights, label_count)
    weights = np.where(sizes > 0, weights, 0.0)
    wanted = [label for label in range(label_count) if weights[label] > 0]
    if not wanted:
        raise InvalidField("class_weights", class_weights, "a weight above 0 for a class that has records")
    shares = np.maximum(1, np.round(weights[wanted] / weights.sum() * _SLOTS_PER_CLASS * len(wanted)))
    return Order(seed, [groups[label] for label in wanted], shares.astype(int).tolist())


def _parse_weights(text: str, label_count: int) -> np.ndarray:
    allowed = f"balanced, natural, square_root, or {label_count} finite numbers from 0 up, with commas between"
    try:
        weights = np.array([float(part) for part in text.split(",")])
    except ValueError:
        raise InvalidField("class_weights", text, allowed) from None
    if len(weights) != label_count or not (np.isfinite(weights) & (weights >= 0)).all():
        raise InvalidField("class_weights", text, allowed)
    return weights


def pick_evenly(columns: Columns, most: int, label_count: int, generator: np.random.Generator) -> np.ndarray:
    """Draws rows without repetition, at most so many, of every class up to the same number; int64, ascending."""
    rows = generator.permutation(count_records(columns))
    if label_count:
        labels = np.asarray(columns[LABEL])[rows]
        share = -(-most // label_count)
        rows = np.concatenate([rows[labels == label][:share] for label in range(label_count)])
    return np.sort(rows[:most])


def count_records(columns: Columns) -> int:
    """Returns how many records columns have."""
    return len(next(iter(columns.values())))


def load(columns: Columns, rows: np.ndarray) -> Columns:
    """Copies records from disk, in the order of `rows`."""
    # Ascending reads are kind to the disk.
    ascending, inverse = np.unique(rows, return_inverse=True)
    return {name: np.asarray(array[ascending])[inverse] for name, array in columns.items()}
