"""Step 3, train: a model version, unless others are better at the same share of the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration

from synthmill.pipeline.partners import OnEvent
from synthmill.pipeline.run import Run
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.v1 import training_service_pb2 as pb

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Training:
    """A training.

    Attributes:
        dataset: version to learn from.
        family: of the generator.
        parameters: hyper-parameters by name; those that are missing are as the training service chooses.
        seconds: time for it.
    """

    dataset: str
    family: str
    parameters: Mapping[str, Any]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What the training service would choose.

    Attributes:
        family: of the generator.
        parameters: every hyper-parameter by name.
    """

    family: str
    parameters: Mapping[str, Any]


def train(run: Run, key: str, asked: Training, on_event: OnEvent) -> str:
    """Returns the model version that a training makes; errors as `Run.job`."""
    return run.job(key, run.partners.training, "CreateTrainingJob", _request(run, asked), on_event=on_event).result


def choose(run: Run, key: str, asked: Training) -> Chosen:
    """Returns what a training would be resolved to, as the training service says once.

    Raises:
        SynthmillError: it cannot be done.
    """

    def ask() -> dict[str, Any]:
        request = _request(run, asked)
        request.validate_only = True
        job = run.partners.training.ask("CreateTrainingJob", request)
        return with_integers(from_struct(job.parameters))

    resolved = run.journal.once(key, ask)
    return Chosen(resolved["family"], resolved["parameters"])


def _request(run: Run, asked: Training) -> pb.CreateTrainingJobRequest:
    budget = Duration()
    budget.FromMilliseconds(max(1000, round(1000 * asked.seconds)))
    return pb.CreateTrainingJobRequest(
        dataset=asked.dataset,
        family=asked.family,
        model=run.plan.model,
        parameters=to_struct(dict(asked.parameters)),
        seed=run.plan.seed,
        budget=budget,
    )
