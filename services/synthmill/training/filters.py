"""What a job is asked to filter, checked against the model and the dataset before the job exists."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.learning.filtering.task import resolve
from synthmill.runtime.errors import FailedPrecondition
from synthmill.training.compression import require_fitting
from synthmill.training.request import held_out_split
from synthmill.v1 import dataset_pb2, model_pb2

TYPE = "filter"


@dataclasses.dataclass(frozen=True)
class FilteringSpec:
    """The parameters of the job "filter", everything resolved.

    Attributes:
        model: "models/{model}/versions/{n}".
        dataset: "datasets/{dataset}/versions/{n}" of the real records.
        held_out: split that filters are judged on; empty holds out some of the records that are learned from.
        parameters: every parameter by name.
        seed: in decimal digits, as JSON's numbers end at 2^53.
    """

    model: str
    dataset: str
    held_out: str
    parameters: dict[str, Any]
    seed: str


def require_dataset(model: model_pb2.Model, asked: str) -> str:
    """Returns the name of the dataset to filter by: the one asked for, else the one that the model was trained on.

    Raises:
        FailedPrecondition: there is neither.
    """
    if not (asked or model.dataset):
        raise FailedPrecondition(
            f"{model.name} was not trained on a dataset here: name one with real records of its classes",
            field="dataset",
            value="",
            allowed="a dataset with the classes of the model",
        )
    return asked or model.dataset


def make_spec(
    model: model_pb2.Model, dataset: dataset_pb2.Dataset, parameters: Mapping[str, Any], seed: int
) -> FilteringSpec:
    """Resolves a request.

    Args:
        model: the version to filter.
        dataset: with the real records.
        parameters: by name.
        seed: of everything random in the job.

    Raises:
        InvalidField: a parameter is not allowed.
        FailedPrecondition: no probe can learn from the dataset what the model's samples are.
    """
    require_fitting(model, dataset)
    return FilteringSpec(model.name, dataset.name, held_out_split(dataset), resolve(parameters), str(seed))
