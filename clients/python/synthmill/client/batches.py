"""Samples and records side by side, as NumPy columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np

from synthmill.client.chunks import Chunk
from synthmill.runtime.tensors import from_batch
from synthmill.v1 import catalog_service_pb2


@dataclasses.dataclass(frozen=True)
class Batch:
    """A run of samples, or of records.

    Attributes:
        columns: arrays by column name, all with the same first axis; read-only.
        first_index: index of the first row.
        model: version that made the samples; empty for records.
        model_digest: SHA-256 of its sampler graph; empty for records.
    """

    columns: dict[str, np.ndarray]
    first_index: int = 0
    model: str = ""
    model_digest: str = ""

    @classmethod
    def from_chunk(cls, chunk: Chunk, model: str) -> Self:
        """Unpacks samples.

        Args:
            chunk: the samples.
            model: the version that made them, which a chunk need not say.

        Raises:
            InvalidField: a column is malformed.
        """
        return cls(from_batch(chunk.batch), chunk.first_index, model, chunk.model_digest)

    @classmethod
    def from_records(cls, answer: catalog_service_pb2.ReadRecordsResponse) -> Self:
        """Unpacks records; errors as `from_chunk`."""
        return cls(from_batch(answer.batch), answer.first_index)

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, column: str) -> np.ndarray:
        return self.columns[column]

    def rows(self, start: int, stop: int) -> Self:
        """Returns some of the rows, without copying them."""
        columns = {name: array[start:stop] for name, array in self.columns.items()}
        return dataclasses.replace(self, columns=columns, first_index=self.first_index + start)


def join(batches: Sequence[Batch]) -> Batch:
    """Joins batches that follow one another."""
    if len(batches) == 1:
        return batches[0]
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0].columns}
    return dataclasses.replace(batches[0], columns=columns)


class Rebatcher:
    """Cuts batches of any size into batches of one size.

    Args:
        size: rows in each batch but the last.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: list[Batch] = []
        self._count = 0

    def add(self, batch: Batch) -> list[Batch]:
        """Takes a batch and returns the full ones that are ready."""
        ready = []
        while self._count + batch.count >= self._size:
            taken = self._size - self._count
            ready.append(join([*self._waiting, batch.rows(0, taken)]))
            self._waiting, self._count = [], 0
            batch = batch.rows(taken, batch.count)
        if batch.count:
            self._waiting.append(batch)
            self._count += batch.count
        return ready

    def rest(self) -> list[Batch]:
        """Returns what is left as one batch, or nothing."""
        return [join(self._waiting)] if self._waiting else []
