"""Checks that an evaluation is what it says, before it is published."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import DATASETS, parse_subject, parse_version
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.runtime.structs import from_struct
from synthmill.v1 import evaluation_pb2

REPORT, FINDINGS = "report.html", "findings.json"
REQUIRED_ARTIFACTS = (REPORT, FINDINGS)

_DIGEST = re.compile(r"[0-9a-f]{64}")


def verify_evaluation(store: ObjectStore, evaluation: evaluation_pb2.Evaluation) -> list[Artifact]:
    """Checks an evaluation as its maker describes it, and returns its files.

    Raises:
        InvalidField: a field breaks the rules, or contradicts another.
        DataLoss: a file is missing or damaged.
    """
    if parse_subject("evaluation.subject", evaluation.subject).version is None:
        raise InvalidField("evaluation.subject", evaluation.subject, "a version: .../versions/{n}")
    parse_version(DATASETS, "evaluation.reference", evaluation.reference)
    for field in ("subject_digest", "reference_digest"):
        if not _DIGEST.fullmatch(getattr(evaluation, field)):
            raise InvalidField(f"evaluation.{field}", getattr(evaluation, field), "64 lower-case hex digits")
    _check_figures(from_struct(evaluation.figures))
    _check_gate(evaluation.conditions, evaluation.passed)
    artifacts = [Artifact.from_proto(artifact) for artifact in evaluation.artifacts]
    names = [artifact.name for artifact in artifacts]
    if len(set(names)) < len(names) or not set(REQUIRED_ARTIFACTS) <= set(names):
        allowed = "distinct names, among them " + ", ".join(REQUIRED_ARTIFACTS)
        raise InvalidField("evaluation.artifacts", names, allowed)
    for artifact in artifacts:
        store.verify(artifact)
    return artifacts


def _check_figures(figures: Mapping[str, Any]) -> None:
    for name, value in figures.items():
        if not isinstance(value, float) or not math.isfinite(value):
            raise InvalidField(f"evaluation.figures.{name}", value, "a finite number")


def _check_gate(conditions: Sequence[evaluation_pb2.GateCondition], passed: bool) -> None:
    if not conditions:
        raise InvalidField("evaluation.conditions", "none", "at least one: a gate without conditions judges nothing")
    for number, condition in enumerate(conditions):
        field = f"evaluation.conditions[{number}]"
        if condition.better not in (evaluation_pb2.BETTER_HIGH, evaluation_pb2.BETTER_LOW):
            raise InvalidField(f"{field}.better", condition.better, "HIGH or LOW")
        for name in ("bound", "value"):
            if not math.isfinite(getattr(condition, name)):
                raise InvalidField(f"{field}.{name}", getattr(condition, name), "a finite number")
        if condition.passed and not _keeps(condition):
            told = f"true, with {condition.value} for {condition.bound}"
            raise InvalidField(f"{field}.passed", told, "what value and bound say")
    if passed != all(condition.passed for condition in conditions):
        raise InvalidField("evaluation.passed", passed, "whether all conditions hold")


def _keeps(condition: evaluation_pb2.GateCondition) -> bool:
    if condition.better == evaluation_pb2.BETTER_HIGH:
        return condition.value >= condition.bound
    return condition.value <= condition.bound
