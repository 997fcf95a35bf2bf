"""A pipeline service whose loops are done at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import json_format
from unit.client.fakes.jobs import FakeJobs
from unit.client.fakes.model import MODEL, make_artifact

from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.runtime.structs import to_struct
from synthmill.v1 import artifact_pb2, job_pb2, loop_pb2, pipeline_service_pb2_grpc
from synthmill.v1 import pipeline_service_pb2 as pb

LOOP = "loops/0123456789abcdefgh"
FILES = {"loop.html": b"<!doctype html>", "round-1.html": b"<!doctype html><p>1", "collect.csv": b"class\nfox\n"}


class FakePipeline(pipeline_service_pb2_grpc.PipelineServiceServicer):
    """Loops, over the dataset "pets" alone.

    Args:
        jobs: where its jobs are.

    Attributes:
        requests: for loops.
    """

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.requests: list[pb.CreateLoopJobRequest] = []

    async def CreateLoopJob(self, request: pb.CreateLoopJobRequest, context: Any) -> job_pb2.Job:
        self.requests.append(request)
        if not (request.plan.source or request.plan.dataset.startswith("datasets/pets")):
            raise NotFound(f"there is no {request.plan.dataset}", field="dataset", value=request.plan.dataset)
        if request.plan.budget.trials < 0:
            raise InvalidField("budget.trials", request.plan.budget.trials, "an integer at least 1")
        if request.validate_only:
            plan = json_format.MessageToDict(request.plan, preserving_proto_field_name=True)
            return job_pb2.Job(type="loop", parameters=to_struct(plan))
        return self._jobs.succeed(LOOP, request.request_id, type="loop")

    async def GetLoop(self, request: pb.GetLoopRequest, context: Any) -> loop_pb2.Loop:
        if request.name != LOOP:
            raise NotFound(f"there is no {request.name}", field="name", value=request.name)
        return make_loop()

    async def ListLoops(self, request: pb.ListLoopsRequest, context: Any) -> pb.ListLoopsResponse:
        first = not request.page_token
        return pb.ListLoopsResponse(loops=[make_loop()], next_page_token="2" if first else "")

    async def ReadLoopReport(
        self, request: pb.ReadLoopReportRequest, context: Any
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        data = FILES[request.artifact or "loop.html"]
        for start in range(request.offset, len(data), 4):
            yield artifact_pb2.ArtifactChunk(offset=start, data=data[start : start + 4])


def make_loop() -> loop_pb2.Loop:
    """Makes a loop that ships a model."""
    trials = [
        loop_pb2.LoopTrial(
            number=1,
            round=1,
            stage="generators",
            values=to_struct({"family": "vae", "vae.learning_rate": 0.00213}),
            state=loop_pb2.LOOP_TRIAL_STATE_COMPLETE,
            score=0.8612,
            model=f"{MODEL}/versions/1",
        ),
        loop_pb2.LoopTrial(number=2, round=1, stage="mixes", state=loop_pb2.LOOP_TRIAL_STATE_FAILED),
    ]
    ended = loop_pb2.LoopRound(
        number=1,
        model=f"{MODEL}/versions/1",
        evaluation="evaluations/2",
        passed=True,
        best_arm="everything",
        best_baseline="augmented",
        lift=0.02,
        lift_low=0.01,
        lift_high=0.03,
        macro_f1=0.88,
        baseline_macro_f1=0.86,
        synthetic_share=0.5,
    )
    return loop_pb2.Loop(
        name=LOOP,
        job="jobs/pipeline-0123456789abcdefgh",
        state=job_pb2.JOB_STATE_SUCCEEDED,
        dataset="datasets/pets/versions/1",
        trials=trials,
        rounds=[ended],
        skipped=["Round 2 was not begun."],
        decision=loop_pb2.LoopDecision(
            outcome=loop_pb2.LOOP_OUTCOME_MODEL, model=f"{MODEL}/versions/1", promoted=True, sentences=["Samples help."]
        ),
        artifacts=[make_artifact(name, data) for name, data in FILES.items()],
    )
