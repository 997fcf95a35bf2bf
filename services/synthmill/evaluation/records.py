"""The records of a dataset version: how many there are, and in which files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from synthmill.kinds.base import Schema
from synthmill.kinds.dataset_files import array_name, columns_of
from synthmill.kinds.registry import get_kind
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import from_struct, with_integers
from synthmill.v1 import dataset_pb2

TRAIN, VALIDATION, TEST = "train", "validation", "test"

Find = Callable[[Artifact], Path]
"""Returns the local path of an artifact; raises DataLoss if it is missing or damaged."""


def schema_of(dataset: dataset_pb2.Dataset) -> Schema:
    """Returns the kind's schema of the records."""
    return with_integers(from_struct(dataset.schema))


def count_records(dataset: dataset_pb2.Dataset, split: str = TRAIN) -> int:
    """Returns the number of records of a split, 0 if there is no such split."""
    return sum(found.record_count for found in dataset.splits if found.name == split)


def class_counts(dataset: dataset_pb2.Dataset, split: str = TRAIN) -> list[int]:
    """Returns the number of a split's records of each class; empty without classes."""
    return next((list(found.class_counts) for found in dataset.splits if found.name == split), [])


def array_names(dataset: dataset_pb2.Dataset, split: str) -> dict[str, str]:
    """Returns the artifact with a split's records of each column, labels among them if there are any."""
    columns = columns_of(get_kind(dataset.kind), schema_of(dataset), dataset.labels)
    return {column: array_name(split, column) for column in columns}


def is_usable(dataset: dataset_pb2.Dataset, split: str) -> bool:
    """Tells whether a split has records, and arrays of them."""
    artifacts = {artifact.name for artifact in dataset.artifacts}
    return count_records(dataset, split) > 0 and artifacts.issuperset(array_names(dataset, split).values())


def find_arrays(dataset: dataset_pb2.Dataset, split: str, find: Find) -> dict[str, Path]:
    """Returns the file of each column of a split, by column.

    Raises:
        DataLoss: a file is missing from the store, or damaged.
    """
    artifacts = {artifact.name: Artifact.from_proto(artifact) for artifact in dataset.artifacts}
    return {column: find(artifacts[name]) for column, name in array_names(dataset, split).items()}
