"""What a job is asked to train, checked against the dataset before the job exists."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.kinds.registry import get_kind
from synthmill.learning.configuration import resolve
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import FailedPrecondition
from synthmill.runtime.names import check_id
from synthmill.runtime.structs import from_struct
from synthmill.v1 import dataset_pb2

TYPE = "train"
SPLIT = "train"


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """The parameters of the job "train", everything resolved.

    Attributes:
        dataset: "datasets/{dataset}/versions/{n}".
        family: of the generator.
        model: id of the model to add a version to.
        parameters: every hyper-parameter by name.
        seed: in decimal digits, as JSON's numbers end at 2^53.
    """

    dataset: str
    family: str
    model: str
    parameters: dict[str, Any]
    seed: str


def make_spec(
    dataset: dataset_pb2.Dataset, family: str, model: str, parameters: Mapping[str, Any], seed: int
) -> TrainingSpec:
    """Resolves a request.

    Args:
        dataset: the version to learn from.
        model: empty means "{dataset}-{family}".

    Raises:
        InvalidField: the family, the model's id or a hyper-parameter is not allowed.
        FailedPrecondition: the dataset cannot be trained on.
    """
    record_count = count_records(dataset, SPLIT)
    resolved = resolve(dataset.kind, family, parameters, from_struct(dataset.schema), record_count)
    if not record_count:
        raise FailedPrecondition(f"{dataset.name} has no records in the split {SPLIT!r}", resource=dataset.name)
    missing = sorted(set(array_names(dataset).values()) - {artifact.name for artifact in dataset.artifacts})
    if missing:
        raise FailedPrecondition(f"{dataset.name} has no {', '.join(missing)}", resource=dataset.name)
    model = check_id("model", model or f"{dataset.name.split('/')[1]}-{family}")
    return TrainingSpec(dataset.name, family, model, resolved, str(seed))


def array_names(dataset: dataset_pb2.Dataset, split: str = SPLIT) -> dict[str, str]:
    """Returns the artifact with a split's records of each column, labels among them if there are any."""
    columns = list(get_kind(dataset.kind).columns(from_struct(dataset.schema)))
    if dataset.labels:
        columns.append(LABEL)
    return {column: f"{split}.{column}.npy" for column in columns}


def count_records(dataset: dataset_pb2.Dataset, split: str) -> int:
    """Returns the number of records of a split, 0 if there is no such split."""
    return sum(found.record_count for found in dataset.splits if found.name == split)
