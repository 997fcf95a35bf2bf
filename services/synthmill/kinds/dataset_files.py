"""The files that a dataset version is made of, whichever service makes it: Parquet and plain arrays for each split."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthmill.kinds.base import Columns, Kind, Schema

LABEL = "label"
SPLITS = ("train", "validation", "test")
"""In the order in which the digest takes them."""
PARQUET = "application/vnd.apache.parquet"
NPY = "application/x-npy"

CHUNK_RECORDS = 1024
"""Records that are read, encoded and digested together."""

_ENCODERS = 2


@dataclasses.dataclass(frozen=True)
class WrittenFile:
    """A finished file that is not in the object store yet."""

    path: Path
    media_type: str


class ContentDigest:
    """SHA-256 over schema, labels and the arrays of all splits in order: the identity of a dataset's content."""

    def __init__(self, kind: str, schema: Schema, labels: Sequence[str]) -> None:
        self._hasher = hashlib.sha256()
        self._add_json({"kind": kind, "schema": schema, "labels": list(labels)})

    def begin_split(self, name: str, record_count: int) -> None:
        """Takes what a split is called and how long it is; its records follow."""
        self._add_json({"split": name, "record_count": record_count})

    def add(self, chunk: Columns) -> None:
        """Takes the next `CHUNK_RECORDS` records of a split, or its last ones."""
        for column in chunk.values():
            self._hasher.update(np.ascontiguousarray(column))

    def hexdigest(self) -> str:
        """Returns the digest of what was taken."""
        return self._hasher.hexdigest()

    def _add_json(self, value: dict[str, Any]) -> None:
        self._hasher.update(json.dumps(value, sort_keys=True).encode())


def array_name(split: str, column: str) -> str:
    """Returns the name of the file with a column of a split."""
    return f"{split}.{column}.npy"


def table_name(split: str) -> str:
    """Returns the name of the Parquet file of a split."""
    return f"{split}.parquet"


def columns_of(kind: Kind, schema: Schema, labels: Sequence[str]) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Returns dtype and shape of each stored column of one record, the label last if there are labels."""
    return {**kind.columns(schema), **({LABEL: (np.dtype(np.int64), ())} if labels else {})}


def read_chunks(arrays: Mapping[str, np.ndarray]) -> Iterator[Columns]:
    """Yields columns in chunks of `CHUNK_RECORDS` records."""
    count = len(next(iter(arrays.values())))
    for start in range(0, count, CHUNK_RECORDS):
        yield {name: array[start : start + CHUNK_RECORDS] for name, array in arrays.items()}


def write_split(
    kind: Kind,
    schema: Schema,
    labels: Sequence[str],
    split: str,
    record_count: int,
    chunks: Iterable[Columns],
    to: Path,
) -> Iterator[Columns]:
    """Writes a split as it is iterated over, and yields each chunk once it is written; files as `files_of`.

    Args:
        record_count: of the split.
        chunks: its records, `CHUNK_RECORDS` at a time.
        to: folder.
    """
    streams: dict[str, BinaryIO] = {}
    writer: pq.ParquetWriter | None = None
    try:
        for chunk, table in _encode(kind, schema, labels, chunks):
            if writer is None:
                writer = pq.ParquetWriter(
                    to / table_name(split), table.schema, compression="zstd", use_dictionary=False
                )
                for column, array in chunk.items():
                    streams[column] = (to / array_name(split, column)).open("wb")
                    _begin_npy(streams[column], array, record_count)
            writer.write_table(table)
            for column, stream in streams.items():
                np.ascontiguousarray(chunk[column]).tofile(stream)
            yield chunk
    finally:
        for stream in streams.values():
            stream.close()
        if writer is not None:
            writer.close()


def files_of(split: str, columns: Iterable[str], folder: Path) -> list[WrittenFile]:
    """Returns the files that `write_split` has written."""
    arrays = [WrittenFile(folder / array_name(split, column), NPY) for column in columns]
    return [WrittenFile(folder / table_name(split), PARQUET), *arrays]


def _encode(
    kind: Kind, schema: Schema, labels: Sequence[str], chunks: Iterable[Columns]
) -> Iterator[tuple[Columns, pa.Table]]:
    """Encodes chunks on several threads, in order, a few ahead."""

    def encode(chunk: Columns) -> tuple[Columns, pa.Table]:
        return chunk, kind.to_table(chunk, schema, labels)

    waiting: deque[Future[tuple[Columns, pa.Table]]] = deque()
    with ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode") as pool:
        for chunk in chunks:
            waiting.append(pool.submit(encode, chunk))
            if len(waiting) > _ENCODERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _begin_npy(stream: BinaryIO, example: np.ndarray, count: int) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(example.dtype),
        "fortran_order": False,
        "shape": (count, *example.shape[1:]),
    }
    np.lib.format.write_array_header_1_0(stream, header)
