"""What a job is asked to train, checked against the dataset before the job exists."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.kinds.registry import get_kind
from synthmill.learning.adequacy import require_counts
from synthmill.learning.budget import UNBOUNDED_STEPS
from synthmill.learning.choice import AUTO, choose_family
from synthmill.learning.configuration import require_divisible, resolve
from synthmill.learning.course import FIDELITY, TSTR
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.executors.names import LOCAL, check_executor
from synthmill.runtime.names import check_id
from synthmill.runtime.structs import from_struct
from synthmill.v1 import dataset_pb2

TYPE = "train"
SPLIT = "train"
HELD_OUT = "validation"
MAX_PROCESSES = 64


@dataclasses.dataclass(frozen=True)
class Target:
    """A utility that ends a run.

    Attributes:
        figure: "tstr" or "fidelity".
        least: its value.
    """

    figure: str
    least: float


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        family: of the generator, or "auto".
        model: id of the model to add a version to; empty means "{dataset}-{family}".
        parameters: hyper-parameters by name.
        seed: of everything random in the run.
        budget_s: most training time; 0 sets no bound.
        target: utility that ends the run; None for none.
        processes: that share the work.
        executor: what runs them.
    """

    family: str
    model: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    budget_s: float = 0.0
    target: Target | None = None
    processes: int = 1
    executor: str = LOCAL


@dataclasses.dataclass(frozen=True)
class TrainingSpec:
    """The parameters of the job "train", everything resolved.

    Attributes:
        dataset: "datasets/{dataset}/versions/{n}".
        family: of the generator.
        model: id of the model to add a version to.
        parameters: every hyper-parameter by name.
        seed: in decimal digits, as JSON's numbers end at 2^53.
        budget_s: most training time; 0 sets no bound.
        target: utility that ends the run; None for none.
        held_out: split that utility is measured on; empty means the records that are learned from.
        processes: that share the work.
        executor: what runs them: "local" or "ray".
        why: why this family, if it was not asked for.
    """

    dataset: str
    family: str
    model: str
    parameters: dict[str, Any]
    seed: str
    budget_s: float = 0.0
    target: float | None = None
    held_out: str = ""
    processes: int = 1
    executor: str = LOCAL
    why: str = ""


def make_spec(dataset: dataset_pb2.Dataset, asked: Asked) -> TrainingSpec:
    """Resolves a request.

    Args:
        dataset: the version to learn from.
        asked: what it is asked for.

    Raises:
        InvalidField: the family, the model's id, a hyper-parameter, the target or the executor is not allowed.
        FailedPrecondition: the dataset cannot be trained on, or what the executor needs is not installed.
    """
    schema, record_count = from_struct(dataset.schema), count_records(dataset, SPLIT)
    family, why = asked.family, ""
    if family == AUTO:
        family, why = choose_family(get_kind(dataset.kind), schema, record_count, len(dataset.labels), asked.budget_s)
    parameters = dict(asked.parameters)
    if asked.budget_s:
        parameters.setdefault("steps", UNBOUNDED_STEPS)
    resolved = resolve(dataset.kind, family, parameters, schema, record_count)
    if not record_count:
        raise FailedPrecondition(f"{dataset.name} has no records in the split {SPLIT!r}", resource=dataset.name)
    missing = sorted(set(array_names(dataset).values()) - {artifact.name for artifact in dataset.artifacts})
    if missing:
        raise FailedPrecondition(f"{dataset.name} has no {', '.join(missing)}", resource=dataset.name)
    require_counts(record_count, _count_by_class(dataset), resolved["min_class_records"])
    if not 1 <= asked.processes <= MAX_PROCESSES:
        raise InvalidField("processes", asked.processes, f"1 to {MAX_PROCESSES}")
    require_divisible(resolved, asked.processes)
    return TrainingSpec(
        dataset=dataset.name,
        family=family,
        model=check_id("model", asked.model or f"{dataset.name.split('/')[1]}-{asked.family}"),
        parameters=resolved,
        seed=str(asked.seed),
        budget_s=asked.budget_s,
        target=_check_target(asked.target, dataset),
        held_out=held_out_split(dataset),
        processes=asked.processes,
        executor=check_executor(asked.executor),
        why=why,
    )


def _check_target(target: Target | None, dataset: dataset_pb2.Dataset) -> float | None:
    if target is None:
        return None
    figure = TSTR if dataset.labels else FIDELITY
    if target.figure != figure:
        which = "with" if dataset.labels else "without"
        raise InvalidField("target.figure", target.figure, f"{figure}, for a dataset {which} labels")
    if not 0 < target.least <= 1:
        raise InvalidField("target.least", target.least, "above 0 and at most 1")
    return target.least


def _count_by_class(dataset: dataset_pb2.Dataset) -> dict[str, int]:
    counts = next((list(split.class_counts) for split in dataset.splits if split.name == SPLIT), [])
    return dict(zip(dataset.labels, counts, strict=False))


def held_out_split(dataset: dataset_pb2.Dataset) -> str:
    """Returns the split that choices are made by, empty if there is none; never the test split: it must stay unseen."""
    artifacts = {artifact.name for artifact in dataset.artifacts}
    usable = count_records(dataset, HELD_OUT) and artifacts.issuperset(array_names(dataset, HELD_OUT).values())
    return HELD_OUT if usable else ""


def array_names(dataset: dataset_pb2.Dataset, split: str = SPLIT) -> dict[str, str]:
    """Returns the artifact with a split's records of each column, labels among them if there are any."""
    columns = list(get_kind(dataset.kind).columns(from_struct(dataset.schema)))
    if dataset.labels:
        columns.append(LABEL)
    return {column: f"{split}.{column}.npy" for column in columns}


def count_records(dataset: dataset_pb2.Dataset, split: str) -> int:
    """Returns the number of records of a split, 0 if there is no such split."""
    return sum(found.record_count for found in dataset.splits if found.name == split)
