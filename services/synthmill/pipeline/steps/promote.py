"""The last step, promote: the model version that the model's name means from then on."""

from __future__ import annotations

from synthmill.pipeline.record import Step
from synthmill.pipeline.run import Run
from synthmill.v1 import catalog_service_pb2 as pb

KEY = "promote"


def promote(run: Run, model: str) -> None:
    """Promotes a version, by its evaluation.

    Raises:
        GateRefused: its newest evaluation does not pass.
        SynthmillError: the catalog was away for too long, or has no such version.
    """
    request = pb.PromoteModelRequest(name=model)
    run.step(KEY, lambda: Step(KEY, result=run.partners.catalog.ask("PromoteModel", request).name))
