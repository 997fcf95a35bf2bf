"""A range of samples cut into shards, at the same places whatever range is asked for.

A shard ends at every multiple of a number of rows, counted from index 0. Two ranges that meet at such a multiple share
no shard, and the shards of both are those of the whole range.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Self, overload

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import from_tensor
from synthmill.v1 import tensor_pb2

INDEX_LIMIT = 1 << 48
"""One above the greatest index of a sample."""

PART_SYNTAX = "I/N with 0 <= I < N"
"""How a part of a range is named."""

_DIGITS = 15
_SHARD_BYTES = 64 << 20
_BATCH_BYTES = 4 << 20


@dataclasses.dataclass(frozen=True, order=True)
class Shard:
    """The samples of [start, stop)."""

    start: int
    stop: int

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.stop - self.start

    @property
    def name(self) -> str:
        """Name by which shards sort as their samples do."""
        return f"{self.start:0{_DIGITS}d}-{self.stop:0{_DIGITS}d}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Inverse of `name`; None for any other text."""
        start, _, stop = name.partition("-")
        if len(name) != 2 * _DIGITS + 1 or not (start + stop).isdecimal() or not start.isascii():
            return None
        return cls(int(start), int(stop))


class Shards(Sequence[Shard]):
    """The shards of a range.

    Args:
        start: first index.
        stop: the index after the last one.
        rows: a shard ends at every multiple of it.
    """

    def __init__(self, start: int, stop: int, rows: int) -> None:
        self.start = start
        self.stop = stop
        self.rows = rows
        self._first = start // rows

    @property
    def count(self) -> int:
        """Number of samples."""
        return self.stop - self.start

    def __len__(self) -> int:
        return -(-self.stop // self.rows) - self._first if self.count else 0

    @overload
    def __getitem__(self, position: int) -> Shard: ...
    @overload
    def __getitem__(self, position: slice) -> list[Shard]: ...
    def __getitem__(self, position: int | slice) -> Shard | list[Shard]:
        if isinstance(position, slice):
            return [self[number] for number in range(*position.indices(len(self)))]
        if not 0 <= position < len(self):
            raise IndexError(position)
        begin = (self._first + position) * self.rows
        return Shard(max(self.start, begin), min(self.stop, begin + self.rows))

    def __contains__(self, shard: object) -> bool:
        if not isinstance(shard, Shard) or not self.start <= shard.start < self.stop:
            return False
        return self[shard.start // self.rows - self._first] == shard

    def part(self, number: int, parts: int) -> Self:
        """Returns one of several runs of whole shards that together are all of them, and as equal as can be.

        Args:
            number: which, in [0, parts).
            parts: how many there are.
        """
        first, last = (self._first + len(self) * each // parts for each in (number, number + 1))
        start = min(self.stop, max(self.start, first * self.rows))
        return type(self)(start, max(start, min(self.stop, last * self.rows)), self.rows)


def check_range(start: int, count: int) -> None:
    """Checks that a range holds samples.

    Raises:
        InvalidField: it is empty, or leaves the indices that there are.
    """
    if not 0 <= start < INDEX_LIMIT:
        raise InvalidField("start_index", start, f"0 to {INDEX_LIMIT - 1}")
    if not 1 <= count <= INDEX_LIMIT - start:
        raise InvalidField("count", count, f"1 to {INDEX_LIMIT - start}")


def default_shard_rows(columns: Iterable[tensor_pb2.ColumnSpec]) -> int:
    """Returns how many samples with these columns make a shard: about 64 MiB of them, a round number."""
    return _round_number(_SHARD_BYTES // row_bytes(columns))


def batch_rows(columns: Iterable[tensor_pb2.ColumnSpec]) -> int:
    """Returns how many samples with these columns are encoded at a time: about 4 MiB of them, a round number."""
    return _round_number(_BATCH_BYTES // row_bytes(columns))


def row_bytes(columns: Iterable[tensor_pb2.ColumnSpec]) -> int:
    """Returns the size of a sample in memory; text counts as its address."""
    return max(1, sum(map(_cell_bytes, columns)))


def _cell_bytes(column: tensor_pb2.ColumnSpec) -> int:
    empty = from_tensor(tensor_pb2.Tensor(name=column.name, data_type=column.data_type, shape=[0]))
    size = empty.dtype.itemsize
    for extent in column.shape[1:]:
        size *= max(1, extent)
    return size


def _round_number(most: int) -> int:
    """Returns the greatest of 1, 2, 5, 10, 20, 50, ... that is not above `most`; at least 1."""
    best, power = 1, 1
    while power <= most:
        best = max(factor * power for factor in (1, 2, 5) if factor * power <= most)
        power *= 10
    return best
