"""Writes the records of a dataset as Parquet and as plain arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from synthmill.catalog.importing.planning import Plan
from synthmill.catalog.importing.spool import Spool
from synthmill.catalog.splits import SPLITS
from synthmill.kinds.base import Columns, Kind, Schema
from synthmill.kinds.dataset_files import CHUNK_RECORDS, LABEL, ContentDigest, WrittenFile, files_of, write_split


@dataclasses.dataclass(frozen=True)
class WrittenSplit:
    """One split, written.

    Attributes:
        name: "train", "validation" or "test".
        record_count: number of records.
        class_counts: records per class; empty without labels.
    """

    name: str
    record_count: int
    class_counts: list[int]


@dataclasses.dataclass(frozen=True)
class WrittenDataset:
    """A dataset, written.

    Attributes:
        splits: those that have records.
        files: a Parquet file, and a plain array for each column, per split.
        digest: SHA-256 over schema, labels and the arrays in order, as hex digits.
    """

    splits: list[WrittenSplit]
    files: list[WrittenFile]
    digest: str


class DatasetWriter:
    """Writes the kept records of a spool into a folder.

    Args:
        on_progress: called with the number of records written so far.
    """

    def __init__(
        self, kind: Kind, schema: Schema, spool: Spool, plan: Plan, folder: Path, on_progress: Callable[[int], None]
    ) -> None:
        self._kind = kind
        self._schema = schema
        self._spool = spool
        self._plan = plan
        self._folder = folder
        self._on_progress = on_progress
        self._done = 0
        self._digest = ContentDigest(kind.name, schema, plan.label_names)

    def write(self) -> WrittenDataset:
        """Writes all splits."""
        splits: list[WrittenSplit] = []
        files: list[WrittenFile] = []
        for name in SPLITS:
            rows = self._plan.rows_of(name)
            if len(rows):
                files += self._write_split(name, rows)
                splits.append(WrittenSplit(name, len(rows), self._count_classes(rows)))
        return WrittenDataset(splits, files, self._digest.hexdigest())

    def batches(self) -> Iterator[Columns]:
        """Reads all kept records, a chunk at a time, labels included."""
        return self._read(self._plan.rows)

    def _write_split(self, name: str, rows: np.ndarray) -> list[WrittenFile]:
        self._digest.begin_split(name, len(rows))
        labels = self._plan.label_names
        for chunk in write_split(self._kind, self._schema, labels, name, len(rows), self._read(rows), self._folder):
            self._digest.add(chunk)
            self._done += len(next(iter(chunk.values())))
            self._on_progress(self._done)
        return files_of(name, self._read_chunk(rows[:1]), self._folder)

    def _read(self, rows: np.ndarray) -> Iterator[Columns]:
        for start in range(0, len(rows), CHUNK_RECORDS):
            yield self._read_chunk(rows[start : start + CHUNK_RECORDS])

    def _read_chunk(self, rows: np.ndarray) -> Columns:
        columns = self._spool.columns(rows)
        return {**columns, LABEL: self._plan.labels[rows]} if self._plan.label_names else columns

    def _count_classes(self, rows: np.ndarray) -> list[int]:
        names = self._plan.label_names
        return np.bincount(self._plan.labels[rows], minlength=len(names)).tolist() if names else []
