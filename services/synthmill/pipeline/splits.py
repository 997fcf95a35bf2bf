"""The splits of the dataset that a loop goes by."""

from __future__ import annotations

from synthmill.runtime.errors import FailedPrecondition
from synthmill.v1 import dataset_pb2

TRAIN, VALIDATION, TEST = "train", "validation", "test"

_NEEDED = {
    TRAIN: "to learn from",
    VALIDATION: "to choose by: import the source with a validation_fraction above 0",
    TEST: "to report on: import the source with a test_fraction above 0",
}


def class_counts(dataset: dataset_pb2.Dataset) -> dict[str, int]:
    """Returns the number of training records of each class."""
    counts = next((split.class_counts for split in dataset.splits if split.name == TRAIN), [])
    return dict(zip(dataset.labels, counts, strict=False))


def count_records(dataset: dataset_pb2.Dataset) -> int:
    """Returns the number of training records."""
    return sum(split.record_count for split in dataset.splits if split.name == TRAIN)


def require_usable(dataset: dataset_pb2.Dataset) -> None:
    """Makes sure that samples can be measured against a dataset.

    Raises:
        FailedPrecondition: it has no classes, or no records for one of the three purposes.
    """
    if len(dataset.labels) < 2:
        raise FailedPrecondition(
            f"{dataset.name} has no classes: what samples are worth is measured by classifiers that learn from them",
            field="dataset",
            value=dataset.name,
            allowed="a dataset with two classes or more",
        )
    present = {split.name for split in dataset.splits if split.record_count}
    for split, purpose in _NEEDED.items():
        if split not in present:
            raise FailedPrecondition(
                f"{dataset.name} has no records in the split {split!r}, {purpose}",
                field="dataset",
                value=dataset.name,
                allowed=f"a dataset with the splits {', '.join(_NEEDED)}",
            )
