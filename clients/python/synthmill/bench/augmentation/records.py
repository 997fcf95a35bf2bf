"""Records to augment: those of a dataset, or images that are made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthmill.bench.augmentation.options import Shape
from synthmill.runtime.errors import FailedPrecondition

if TYPE_CHECKING:
    from synthmill.client import Client
    from synthmill.v1 import dataset_pb2

Columns = dict[str, np.ndarray]
"""Arrays of records by name, all with the same first axis."""

Record = dict[str, np.ndarray]
"""Arrays of a record by name."""

IMAGE, LABEL = "image", "label"
_SPLIT = "train"
# They are sent over and over: enough that they are in no processor's cache.
_MOST_RECORDS = 256
_MOST_BYTES = 32 << 20
_COARSE = 8
_NOISE = 4.0


def make_records(shape: Shape) -> Columns:
    """Makes images, uint8 (N, H, W, C), as smooth as photographs are, with a little noise; the same every time."""
    generator = np.random.default_rng(0)
    count = max(1, min(_MOST_RECORDS, _MOST_BYTES // int(np.prod(shape))))
    return {IMAGE: np.stack([_make_image(generator, shape) for _ in range(count)])}


def read_records(client: Client, version: dataset_pb2.Dataset) -> Columns:
    """Reads the first training records of a dataset version; "label" is int64 (N,).

    Raises:
        FailedPrecondition: it has no training records.
    """
    held = sum(split.record_count for split in version.splits if split.name == _SPLIT)
    if not held:
        raise FailedPrecondition(f"{version.name} has no records in the split {_SPLIT!r}", resource=version.name)
    batches = list(client.catalog.read_records(version.name, split=_SPLIT, count=min(held, _MOST_RECORDS)))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0].columns}


def with_shares(records: Columns, class_count: int) -> Columns:
    """Returns records with labels as records to mix have them, shares of the classes, float32 (N, K).

    Args:
        records: where they have no labels, they get the classes in turn.
        class_count: number of classes, K; zero means that there are to be no labels.
    """
    rest = {name: column for name, column in records.items() if name != LABEL}
    if not class_count:
        return rest
    labels = records.get(LABEL, np.arange(len(records[IMAGE])))
    return {**rest, LABEL: np.eye(class_count, dtype=np.float32)[labels % class_count]}


def rows(columns: Columns) -> Iterator[Record]:
    """Yields records one by one."""
    for row in range(len(columns[IMAGE])):
        yield {name: column[row] for name, column in columns.items()}


def size_bytes(record: Record) -> int:
    """Returns the memory that the arrays of a record take, in bytes."""
    return sum(array.nbytes for array in record.values())


def save_records(path: Path, columns: Columns) -> None:
    """Writes records to a file, for other processes."""
    np.savez(path, **columns)


def load_records(path: str) -> list[Record]:
    """Returns the records of a file that `save_records` has written."""
    with np.load(path) as file:
        return list(rows({name: file[name] for name in file.files}))


def _make_image(generator: np.random.Generator, shape: Shape) -> np.ndarray:
    height, width, channels = shape
    down, across = _between(height), _between(width)
    coarse = 255 * generator.random((down.shape[1], across.shape[1], channels), np.float32)
    smooth = np.einsum("hr,wc,rcx->hwx", down, across, coarse, optimize=True)
    noise = _NOISE * generator.standard_normal(shape, np.float32)
    return (smooth + noise).clip(0, 255).astype(np.uint8)


def _between(side: int) -> np.ndarray:
    """Returns what lies between coarse points, as a matrix of their weights, float32 (side, points)."""
    places, points = np.arange(side) / _COARSE, np.arange(side // _COARSE + 2)
    return np.maximum(0, 1 - np.abs(places[:, None] - points)).astype(np.float32)
