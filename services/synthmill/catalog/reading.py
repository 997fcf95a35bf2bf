"""Reads records and files of versions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from synthmill.catalog.convert import from_artifact_row
from synthmill.catalog.listing import artifacts_of, find_dataset
from synthmill.catalog.splits import DEFAULT_SPLIT
from synthmill.runtime.arrays import open_array
from synthmill.runtime.errors import InvalidField, NotFound, OutOfRange
from synthmill.runtime.store import Artifact, ObjectStore

DEFAULT_CHUNK_BYTES = 1024 * 1024
MAX_CHUNK_BYTES = 3 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class RecordPlan:
    """Which records to read, and from which files.

    Attributes:
        caches: the array cache of each column.
        start: first record.
        stop: after the last record.
        chunk_bytes: size of a chunk to aim at.
    """

    caches: dict[str, Artifact]
    start: int
    stop: int
    chunk_bytes: int


def plan_records(session: Session, name: str, split: str, start_index: int, count: int, chunk_bytes: int) -> RecordPlan:
    """Resolves what a request for records leaves open; arguments as in the message `ReadRecordsRequest`.

    Raises:
        NotFound: there is no such dataset version.
        InvalidField: a number is not allowed, or there is no such split.
        OutOfRange: the range goes beyond the split.
    """
    row = find_dataset(session, name)
    split = split or DEFAULT_SPLIT
    start, stop = resolve_range(row.splits, split, start_index, count)
    if not 0 <= chunk_bytes <= MAX_CHUNK_BYTES:
        raise InvalidField("chunk_bytes", chunk_bytes, f"0 to {MAX_CHUNK_BYTES}")
    files = {artifact.name: from_artifact_row(artifact) for artifact in artifacts_of(session, row.name)}
    caches = {column["name"]: files[f"{split}.{column['name']}.npy"] for column in row.columns}
    return RecordPlan(caches, start, stop, chunk_bytes or DEFAULT_CHUNK_BYTES)


def resolve_range(splits: Sequence[Mapping[str, Any]], split: str, start_index: int, count: int) -> tuple[int, int]:
    """Returns the first record of a range and the one after its last; a count of zero means to the end.

    Args:
        splits: each with "name" and "record_count".

    Raises:
        InvalidField: a negative number, or no such split.
        OutOfRange: the range goes beyond the split.
    """
    sizes = {part["name"]: part["record_count"] for part in splits}
    if split not in sizes:
        raise InvalidField("split", split, "one of " + ", ".join(sizes))
    for field, value in (("start_index", start_index), ("count", count)):
        if value < 0:
            raise InvalidField(field, value, "at least 0")
    size = sizes[split]
    if start_index > size:
        raise OutOfRange("start_index", start_index, f"0 to {size}, the size of the split {split}")
    if count > size - start_index:
        raise OutOfRange("count", count, f"at most {size - start_index} from record {start_index} on")
    return start_index, start_index + count if count else size


class RecordReader:
    """Reads records chunk by chunk from the array caches.

    Raises:
        DataLoss: an array cache is missing or damaged.
    """

    def __init__(self, store: ObjectStore, plan: RecordPlan) -> None:
        self._plan = plan
        self._arrays = {name: open_array(store.local_path(cache)) for name, cache in plan.caches.items()}
        record_bytes = sum(array[:1].nbytes for array in self._arrays.values())
        self._records_per_chunk = max(1, plan.chunk_bytes // record_bytes)

    def starts(self) -> range:
        """Returns the first record of each chunk."""
        return range(self._plan.start, self._plan.stop, self._records_per_chunk)

    def chunk(self, start: int) -> dict[str, np.ndarray]:
        """Reads the chunk that begins at a record."""
        stop = min(start + self._records_per_chunk, self._plan.stop)
        return {name: np.asarray(array[start:stop]) for name, array in self._arrays.items()}


def find_artifact(artifacts: Sequence[Artifact], owner: str, name: str) -> Artifact:
    """Returns one of an owner's files.

    Raises:
        NotFound: the owner has no such file.
    """
    artifact = next((artifact for artifact in artifacts if artifact.name == name), None)
    if artifact is None:
        names = ", ".join(artifact.name for artifact in artifacts)
        raise NotFound(f"{owner} has no artifact {name}", field="artifact", value=name, allowed=names)
    return artifact
