"""Between messages and the training service's own values."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2

from synthmill.kinds.base import Kind
from synthmill.kinds.parameters import Description, describe
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.executors.names import LOCAL
from synthmill.runtime.structs import from_struct
from synthmill.training.request import Asked, Target
from synthmill.v1 import training_service_pb2 as pb

MIN_BUDGET_S = 1
MAX_BUDGET_S = 30 * 86_400


def to_identity(request: pb.CreateTrainingJobRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: the request as it was sent, but for its request_id."""
    return {
        "dataset": request.dataset,
        "family": request.family,
        "model": request.model,
        "parameters": from_struct(request.parameters),
        "seed": str(request.seed),
        "budget_s": to_seconds(request),
        "target": [request.target.figure, request.target.least] if request.HasField("target") else None,
        "processes": request.processes,
        "executor": request.executor,
    }


def to_asked(request: pb.CreateTrainingJobRequest, executor: str = LOCAL) -> Asked:
    """Returns what a request asks for.

    Args:
        executor: where it does not say.

    Raises:
        InvalidField: a time, a target or a number is out of range.
    """
    target = Target(request.target.figure, request.target.least) if request.HasField("target") else None
    return Asked(
        family=request.family,
        model=request.model,
        parameters=from_struct(request.parameters),
        seed=request.seed,
        budget_s=to_seconds(request),
        target=target,
        processes=request.processes or 1,
        executor=request.executor or executor,
    )


def to_seconds(request: pb.CreateTrainingJobRequest) -> float:
    """Returns the budget of a request, 0 if it sets none."""
    if not request.HasField("budget"):
        return 0.0
    seconds = request.budget.seconds + request.budget.nanos / 1e9
    if not MIN_BUDGET_S <= seconds <= MAX_BUDGET_S:
        raise InvalidField("budget", f"{seconds:g} s", f"{MIN_BUDGET_S} s to {MAX_BUDGET_S} s")
    return seconds


def to_compression_identity(request: pb.CreateCompressionJobRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: the request as it was sent, but for its request_id."""
    return {
        "model": request.model,
        "methods": list(request.methods),
        "parameters": from_struct(request.parameters),
        "max_loss": request.max_loss if request.HasField("max_loss") else None,
        "dataset": request.dataset,
        "seed": str(request.seed),
    }


def to_filtering_identity(request: pb.CreateFilteringJobRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: the request as it was sent, but for its request_id."""
    return {
        "model": request.model,
        "dataset": request.dataset,
        "parameters": from_struct(request.parameters),
        "seed": str(request.seed),
    }


def to_families(kind: Kind) -> list[pb.Family]:
    """Makes the messages of a kind's families."""
    return [
        pb.Family(kind=kind.name, family=family, parameters=map(_to_parameter, describe(cls)))
        for family, cls in sorted(kind.hyper_parameters.items())
    ]


def _to_parameter(described: Description) -> pb.Parameter:
    return pb.Parameter(
        name=described.name,
        type={"str": "string"}.get(described.type, described.type),
        default_value=json_format.ParseDict(described.default, struct_pb2.Value()),
        allowed=described.allowed,
        description=described.description,
    )
