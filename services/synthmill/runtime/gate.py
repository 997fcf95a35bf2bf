"""What a gate says of a version that it does not let through."""

from __future__ import annotations

from synthmill.runtime.errors import GateRefused
from synthmill.v1 import evaluation_pb2


def refusal(evaluation: evaluation_pb2.Evaluation, **metadata: object) -> GateRefused:
    """Returns the error that says which thresholds were missed, and by how much.

    Args:
        evaluation: one that did not pass.
        metadata: more details of the error.
    """
    missed = [condition for condition in evaluation.conditions if not condition.passed]
    sentences = "; ".join(condition.sentence for condition in missed)
    return GateRefused(
        f"{evaluation.subject} does not pass the gate of {evaluation.name}: {sentences}",
        evaluation=evaluation.name,
        figure=missed[0].figure,
        bound=missed[0].bound,
        value=missed[0].value,
        **metadata,
    )
