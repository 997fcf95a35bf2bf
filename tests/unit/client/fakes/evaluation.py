"""An evaluation service whose jobs are done at once."""

from __future__ import annotations

from typing import Any

from unit.client.fakes.jobs import FakeJobs
from unit.client.fakes.model import MODEL, make_artifact

from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.runtime.structs import to_struct
from synthmill.v1 import evaluation_pb2, evaluation_service_pb2_grpc, job_pb2
from synthmill.v1 import evaluation_service_pb2 as pb

PASSED, REFUSED = "evaluations/2", "evaluations/1"
REPORT_FILES = {"report.html": b"<!doctype html>", "findings.json": b"{}", "samples.png": b"a picture"}
BOUND = 0.5


class FakeEvaluation(evaluation_service_pb2_grpc.EvaluationServiceServicer):
    """Evaluation; a gate with a coverage above the default refuses.

    Args:
        jobs: where its jobs are.

    Attributes:
        requests: for jobs.
    """

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.requests: list[pb.CreateEvaluationJobRequest] = []

    async def CreateEvaluationJob(self, request: pb.CreateEvaluationJobRequest, context: Any) -> job_pb2.Job:
        self.requests.append(request)
        if not request.subject.startswith((MODEL, "datasets/pets")):
            raise NotFound(f"there is no {request.subject}", field="name", value=request.subject)
        for name in (*request.thresholds, *request.without_thresholds):
            if name not in ("coverage", "lift"):
                raise InvalidField("thresholds", name, "coverage or lift")
        if request.validate_only:
            return job_pb2.Job(type="evaluate", parameters=to_struct({"thresholds": dict(request.thresholds)}))
        passed = request.thresholds.get("coverage", BOUND) <= BOUND
        return self._jobs.succeed(PASSED if passed else REFUSED, request.request_id, type="evaluate")

    async def ListThresholds(self, request: pb.ListThresholdsRequest, context: Any) -> pb.ListThresholdsResponse:
        coverage = pb.Threshold(
            figure="coverage",
            meaning="Share of real records with a sample nearby.",
            default_value=BOUND,
            better=evaluation_pb2.BETTER_HIGH,
        )
        return pb.ListThresholdsResponse(thresholds=[coverage])


def make_evaluation(name: str) -> evaluation_pb2.Evaluation:
    """Makes one of the two evaluations of the model "pets"; they go without the files that a list leaves out."""
    passed = name == PASSED
    bound = BOUND if passed else 0.9
    gap = "kept by 0.25" if passed else "missed by 0.15"
    condition = evaluation_pb2.GateCondition(
        figure="coverage",
        bound=bound,
        better=evaluation_pb2.BETTER_HIGH,
        value=0.75,
        passed=passed,
        sentence=f"Coverage is 0.75, at least {bound}: {gap}.",
    )
    return evaluation_pb2.Evaluation(
        name=name,
        subject=f"{MODEL}/versions/1",
        reference="datasets/pets/versions/1",
        kind="image",
        passed=passed,
        conditions=[condition],
        figures=to_struct({"coverage": 0.75}),
        verdict=["Samples cover three quarters of the real records."],
        artifacts=[make_artifact(name, data) for name, data in REPORT_FILES.items()],
    )
