"""What a job is asked to compress, checked against the model and the dataset before the job exists."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from synthmill.learning.compress.task import PRUNE, check_methods, resolve
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.training.request import SPLIT, array_names, count_records
from synthmill.v1 import dataset_pb2, model_pb2

TYPE = "compress"
WEIGHTS = "weights.safetensors"

# In order of preference; never the records that the model has learned from.
_JUDGED_SPLITS = ("test", "validation")


@dataclasses.dataclass(frozen=True)
class CompressionSpec:
    """The parameters of the job "compress", everything resolved.

    Attributes:
        model: "models/{model}/versions/{n}".
        methods: in the order in which they are applied.
        parameters: every parameter by name.
        max_loss: utility that may be lost, in points.
        dataset: "datasets/{dataset}/versions/{n}" to judge on; empty compares samples.
        split: whose records are the test; empty without a dataset.
        seed: in decimal digits, as JSON's numbers end at 2^53.
    """

    model: str
    methods: list[str]
    parameters: dict[str, Any]
    max_loss: float
    dataset: str
    split: str
    seed: str


def make_spec(
    model: model_pb2.Model,
    methods: Sequence[str],
    parameters: Mapping[str, Any],
    max_loss: float,
    dataset: dataset_pb2.Dataset | None,
    seed: int,
) -> CompressionSpec:
    """Resolves a request.

    Args:
        model: the version to compress.
        dataset: to judge on; None compares samples.

    Raises:
        InvalidField: a method, a parameter or the bound is not allowed.
        FailedPrecondition: the model cannot be compressed by these methods.
    """
    chosen = check_methods(methods)
    if not (math.isfinite(max_loss) and max_loss >= 0):
        raise InvalidField("max_loss", max_loss, "a finite number of at least 0")
    if PRUNE in chosen and WEIGHTS not in {artifact.name for artifact in model.artifacts}:
        raise FailedPrecondition(
            f"{model.name} has no weights, as it was imported or compressed before: it cannot be pruned",
            field="methods",
            value=PRUNE,
            allowed="int8 or fp16",
        )
    name, split = (dataset.name, judged_split(dataset)) if dataset else ("", "")
    return CompressionSpec(model.name, list(chosen), resolve(parameters), max_loss, name, split, str(seed))


def check_fits(model: model_pb2.Model, dataset: dataset_pb2.Dataset) -> None:
    """Makes sure that a model can be judged on a dataset.

    Raises:
        FailedPrecondition: it cannot.
    """
    require_fitting(model, dataset)
    if not judged_split(dataset):
        _refuse(dataset, f"{dataset.name} has no records to test on, neither in {' nor in '.join(_JUDGED_SPLITS)}")


def require_fitting(model: model_pb2.Model, dataset: dataset_pb2.Dataset) -> None:
    """Makes sure that samples of a model and records of a dataset are of the same kind and classes.

    Raises:
        FailedPrecondition: they are not, or there is nothing to learn from.
    """
    if not model.labels:
        _refuse(dataset, f"{model.name} has no classes, so that no probe can learn from its samples")
    if model.kind != dataset.kind:
        _refuse(dataset, f"{model.name} makes samples of the kind {model.kind}, {dataset.name} holds {dataset.kind}")
    if list(model.labels) != list(dataset.labels):
        _refuse(dataset, f"{model.name} and {dataset.name} do not have the same classes in the same order")
    if not count_records(dataset, SPLIT):
        _refuse(dataset, f"{dataset.name} has no records in the split {SPLIT!r}")


def judged_split(dataset: dataset_pb2.Dataset) -> str:
    """Returns the split whose records are the test, empty if there is none."""
    artifacts = {artifact.name for artifact in dataset.artifacts}
    for split in _JUDGED_SPLITS:
        if count_records(dataset, split) and artifacts.issuperset(array_names(dataset, split).values()):
            return split
    return ""


def _refuse(dataset: dataset_pb2.Dataset, problem: str) -> NoReturn:
    raise FailedPrecondition(f"{problem}: utility cannot be measured on it", field="dataset", value=dataset.name)
