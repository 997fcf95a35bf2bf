"""Writes the records of a dataset as Parquet and as plain arrays."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthmill.catalog.importing.planning import Plan
from synthmill.catalog.importing.spool import Spool
from synthmill.catalog.splits import SPLITS
from synthmill.kinds.base import Columns, Kind, Schema

LABEL = "label"
PARQUET = "application/vnd.apache.parquet"
NPY = "application/x-npy"

_CHUNK_RECORDS = 1024
_ENCODERS = 2


@dataclasses.dataclass(frozen=True)
class WrittenFile:
    """A finished file that is not in the object store yet."""

    path: Path
    media_type: str


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
        self._hasher = hashlib.sha256()

    def write(self) -> WrittenDataset:
        """Writes all splits."""
        splits: list[WrittenSplit] = []
        files: list[WrittenFile] = []
        self._hash_json({"kind": self._kind.name, "schema": self._schema, "labels": self._plan.label_names})
        for name in SPLITS:
            rows = self._plan.rows_of(name)
            if len(rows):
                self._hash_json({"split": name, "record_count": len(rows)})
                files += self._write_split(name, rows)
                splits.append(WrittenSplit(name, len(rows), self._count_classes(rows)))
        return WrittenDataset(splits, files, self._hasher.hexdigest())

    def batches(self) -> Iterator[Columns]:
        """Reads all kept records, a chunk at a time, labels included."""
        return self._read(self._plan.rows)

    def _write_split(self, name: str, rows: np.ndarray) -> list[WrittenFile]:
        caches = {column: self._folder / f"{name}.{column}.npy" for column in self._read_chunk(rows[:1])}
        streams = {column: path.open("wb") for column, path in caches.items()}
        table_path = self._folder / f"{name}.parquet"
        writer: pq.ParquetWriter | None = None
        for chunk, table in self._encode(rows):
            if writer is None:
                writer = pq.ParquetWriter(table_path, table.schema, compression="zstd", use_dictionary=False)
                for column, stream in streams.items():
                    _begin_npy(stream, chunk[column], len(rows))
            writer.write_table(table)
            for column, stream in streams.items():
                data = np.ascontiguousarray(chunk[column])
                data.tofile(stream)
                self._hasher.update(data)
            self._done += table.num_rows
            self._on_progress(self._done)
        writer.close()
        for stream in streams.values():
            stream.close()
        return [WrittenFile(table_path, PARQUET), *(WrittenFile(path, NPY) for path in caches.values())]

    def _encode(self, rows: np.ndarray) -> Iterator[tuple[Columns, pa.Table]]:
        """Encodes chunks on several threads, in order, a few ahead."""

        def encode(chunk: Columns) -> tuple[Columns, pa.Table]:
            return chunk, self._kind.to_table(chunk, self._schema, self._plan.label_names)

        waiting: deque[Future[tuple[Columns, pa.Table]]] = deque()
        with ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode") as pool:
            for chunk in self._read(rows):
                waiting.append(pool.submit(encode, chunk))
                if len(waiting) > _ENCODERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _read(self, rows: np.ndarray) -> Iterator[Columns]:
        for start in range(0, len(rows), _CHUNK_RECORDS):
            yield self._read_chunk(rows[start : start + _CHUNK_RECORDS])

    def _read_chunk(self, rows: np.ndarray) -> Columns:
        columns = self._spool.columns(rows)
        return {**columns, LABEL: self._plan.labels[rows]} if self._plan.label_names else columns

    def _count_classes(self, rows: np.ndarray) -> list[int]:
        names = self._plan.label_names
        return np.bincount(self._plan.labels[rows], minlength=len(names)).tolist() if names else []

    def _hash_json(self, value: dict[str, Any]) -> None:
        self._hasher.update(json.dumps(value, sort_keys=True).encode())


def _begin_npy(stream: BinaryIO, example: np.ndarray, count: int) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(example.dtype),
        "fortran_order": False,
        "shape": (count, *example.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(stream, header)
