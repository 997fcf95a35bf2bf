"""Checks that a dataset version is what it says, before it is published."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synthmill.catalog.columns import Specs
from synthmill.catalog.importing.planning import MAX_LABELS
from synthmill.catalog.splits import SPLITS
from synthmill.kinds.base import Kind, Schema
from synthmill.kinds.dataset_files import LABEL, ContentDigest, array_name, columns_of, read_chunks, table_name
from synthmill.kinds.registry import all_kinds
from synthmill.runtime.arrays import open_array
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.store import Artifact, ObjectStore

_ARTIFACTS = "version.artifacts"


@dataclasses.dataclass(frozen=True)
class DatasetDraft:
    """A dataset version as its maker describes it; fields as in the message `Dataset`.

    Attributes:
        record_counts: of each split, by name.
    """

    kind: str
    labels: list[str]
    record_counts: Mapping[str, int]
    schema: Schema
    artifacts: list[Artifact]
    digest: str


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What the files of a dataset version say.

    Attributes:
        columns: as stored.
        splits: with "name", "record_count" and "class_counts", in the order of `SPLITS`.
    """

    columns: Specs
    splits: list[dict[str, Any]]


def verify_dataset(store: ObjectStore, draft: DatasetDraft) -> DatasetInfo:
    """Checks a draft against its files and returns what they say.

    Raises:
        InvalidField: a field breaks the rules, or contradicts the files.
        DataLoss: an artifact is missing or damaged.
    """
    kind = all_kinds().get(draft.kind)
    if kind is None:
        raise InvalidField("version.kind", draft.kind, "one of " + ", ".join(sorted(all_kinds())))
    if len(set(draft.labels)) != len(draft.labels) or len(draft.labels) > MAX_LABELS:
        raise InvalidField("version.labels", f"{len(draft.labels)} names", f"at most {MAX_LABELS}, all distinct")
    if not draft.record_counts or not set(draft.record_counts) <= set(SPLITS):
        raise InvalidField("version.splits", list(draft.record_counts), "some of " + ", ".join(SPLITS))
    if min(draft.record_counts.values()) < 1:
        raise InvalidField("version.splits", dict(draft.record_counts), "splits with records")
    columns = _columns(kind, draft)
    artifacts = _by_name(draft.artifacts)
    for artifact in draft.artifacts:
        store.verify(artifact)
    digest, splits = ContentDigest(draft.kind, draft.schema, draft.labels), []
    for name in (name for name in SPLITS if name in draft.record_counts):
        arrays = _open_split(store, artifacts, name, columns, draft.record_counts[name])
        digest.begin_split(name, draft.record_counts[name])
        for chunk in read_chunks(arrays):
            digest.add(chunk)
        counts = _count_classes(name, arrays, draft.labels)
        splits.append({"name": name, "record_count": draft.record_counts[name], "class_counts": counts})
    if draft.digest != digest.hexdigest():
        raise InvalidField("version.digest", draft.digest, f"{digest.hexdigest()}, the digest of the records in order")
    return DatasetInfo(columns, splits)


def _columns(kind: Kind, draft: DatasetDraft) -> Specs:
    try:
        return columns_of(kind, draft.schema, draft.labels)
    # Whatever the kind stumbles over, the schema is none of its own.
    except (KeyError, TypeError, ValueError):
        raise InvalidField("version.schema", draft.schema, f"a schema of the kind {kind.name}") from None


def _by_name(artifacts: Sequence[Artifact]) -> dict[str, Artifact]:
    by_name = {artifact.name: artifact for artifact in artifacts}
    if len(by_name) != len(artifacts):
        raise InvalidField(_ARTIFACTS, [artifact.name for artifact in artifacts], "distinct names")
    return by_name


def _open_split(
    store: ObjectStore, artifacts: Mapping[str, Artifact], split: str, columns: Specs, record_count: int
) -> dict[str, np.ndarray]:
    """Returns the columns of a split, memory-mapped, once they are what the schema says."""
    names = [table_name(split), *(array_name(split, column) for column in columns)]
    if missing := [name for name in names if name not in artifacts]:
        raise InvalidField(_ARTIFACTS, list(artifacts), "among others " + ", ".join(missing))
    try:
        rows = pq.read_metadata(store.local_path(artifacts[table_name(split)])).num_rows
    except pa.ArrowException:
        raise InvalidField(_ARTIFACTS, table_name(split), "a Parquet file") from None
    if rows != record_count:
        raise InvalidField("version.splits", f"{split}: {record_count} records", f"{rows}, as its Parquet file has")
    arrays = {}
    for column, (dtype, shape) in columns.items():
        name = array_name(split, column)
        try:
            arrays[column] = open_array(store.local_path(artifacts[name]))
        except ValueError:
            raise InvalidField(_ARTIFACTS, name, "an array in NumPy's format") from None
        if arrays[column].dtype != dtype or arrays[column].shape != (record_count, *shape):
            found = f"{name}: {arrays[column].dtype} {list(arrays[column].shape)}"
            raise InvalidField(_ARTIFACTS, found, f"{dtype} {[record_count, *shape]}, as the schema says")
    return arrays


def _count_classes(split: str, arrays: Mapping[str, np.ndarray], labels: Sequence[str]) -> list[int]:
    if not labels:
        return []
    found = np.asarray(arrays[LABEL])
    if len(found) and not 0 <= found.min() <= found.max() < len(labels):
        raise InvalidField(_ARTIFACTS, f"{array_name(split, LABEL)}: {found.max()}", f"0 to {len(labels) - 1}")
    return np.bincount(found, minlength=len(labels)).tolist()
