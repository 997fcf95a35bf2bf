"""Between messages and the evaluation service's own values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format

from synthmill.evaluation.request import Asked
from synthmill.learning.evaluate.findings import Better, Condition, Findings
from synthmill.learning.evaluate.gate import Threshold
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import to_struct
from synthmill.v1 import evaluation_pb2, sampling_service_pb2
from synthmill.v1 import evaluation_service_pb2 as pb

_BETTER = {Better.HIGH: evaluation_pb2.BETTER_HIGH, Better.LOW: evaluation_pb2.BETTER_LOW}


def to_asked(request: pb.CreateEvaluationJobRequest) -> Asked:
    """Returns what a request asks for beside the two versions and a policy."""
    return Asked(
        seeds=request.seeds,
        probe_steps=request.probe_steps,
        samples=request.samples,
        thresholds=dict(request.thresholds),
        without_thresholds=list(request.without_thresholds),
        seed=request.seed,
        arms=list(request.arms),
        synthetic_share=request.synthetic_share,
        filter=_fields(request.filter) if request.HasField("filter") else None,
    )


def to_identity(request: pb.CreateEvaluationJobRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: the request as it was sent, but for its request_id."""
    sent = json_format.MessageToDict(request, preserving_proto_field_name=True)
    return {name: value for name, value in sent.items() if name != "request_id"}


def to_evaluation(findings: Findings, artifacts: Sequence[Artifact], job: str) -> evaluation_pb2.Evaluation:
    """Makes the message of what was found."""
    return evaluation_pb2.Evaluation(
        subject=findings.subject.name,
        subject_digest=findings.subject.digest,
        reference=findings.reference.name,
        reference_digest=findings.reference.digest,
        kind=findings.kind,
        passed=findings.passed,
        conditions=map(_to_condition, findings.conditions),
        figures=to_struct(_figures(findings)),
        verdict=findings.verdict,
        artifacts=[artifact.to_proto() for artifact in artifacts],
        job=job,
    )


def to_threshold(threshold: Threshold) -> pb.Threshold:
    """Makes the message of a threshold."""
    return pb.Threshold(
        figure=threshold.figure,
        meaning=threshold.meaning,
        default_value=threshold.default,
        better=_BETTER[threshold.better],
    )


def _fields(message: sampling_service_pb2.SampleFilter) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}


def _figures(findings: Findings) -> dict[str, float]:
    """Returns what was measured by name, and what each arm is worth."""
    figures = {figure.name: figure.measured.value for figure in findings.figures}
    for arm in findings.arms:
        figures[f"arms.{arm.name}.macro_f1"] = arm.macro_f1.value
        if arm.validation_macro_f1 is not None:
            figures[f"arms.{arm.name}.validation_macro_f1"] = arm.validation_macro_f1.value
        for field, recalls in (("recall", arm.recall), ("validation_recall", arm.validation_recall)):
            figures |= {f"arms.{arm.name}.{field}.{label}": recall.value for label, recall in recalls.items()}
    return figures


def _to_condition(condition: Condition) -> evaluation_pb2.GateCondition:
    return evaluation_pb2.GateCondition(
        figure=condition.figure,
        bound=condition.bound,
        better=_BETTER[condition.better],
        value=condition.value,
        passed=condition.passed,
        sentence=condition.sentence,
    )
