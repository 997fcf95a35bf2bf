"""A training service whose jobs are done at once."""

from __future__ import annotations

from typing import Any

from google.protobuf.struct_pb2 import Value
from unit.client.fakes.jobs import FakeJobs
from unit.client.fakes.model import MODEL

from synthmill.runtime.errors import InvalidField
from synthmill.v1 import job_pb2, training_service_pb2_grpc
from synthmill.v1 import training_service_pb2 as pb


class FakeTraining(training_service_pb2_grpc.TrainingServiceServicer):
    """Training.

    Args:
        jobs: where its jobs are.
    """

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.requests: list[pb.CreateTrainingJobRequest] = []
        self.compressions: list[pb.CreateCompressionJobRequest] = []
        self.filterings: list[pb.CreateFilteringJobRequest] = []

    async def CreateTrainingJob(self, request: pb.CreateTrainingJobRequest, context: Any) -> job_pb2.Job:
        self.requests.append(request)
        for name in request.parameters.fields:
            if name != "steps":
                raise InvalidField(f"parameters.{name}", request.parameters[name], "only steps")
        if request.validate_only:
            return job_pb2.Job(type="train", parameters=request.parameters)
        return self._jobs.succeed(f"{MODEL}/versions/1", request.request_id, type="train")

    async def CreateCompressionJob(self, request: pb.CreateCompressionJobRequest, context: Any) -> job_pb2.Job:
        self.compressions.append(request)
        if request.validate_only:
            return job_pb2.Job(type="compress", parameters=request.parameters)
        if "fp16" in request.methods:
            error = job_pb2.JobError(
                reason="FAILED_PRECONDITION",
                message="not published: a loss of 3.00 points; allowed: 0.5",
                metadata={"loss": "3.0000", "max_loss": "0.5"},
            )
            states = [job_pb2.JOB_STATE_RUNNING, "a loss of 3.00 points", job_pb2.JOB_STATE_FAILED]
            return self._jobs.add(states, request.request_id, type="compress", error=error)
        return self._jobs.succeed(f"{MODEL}/versions/1", request.request_id, type="compress")

    async def CreateFilteringJob(self, request: pb.CreateFilteringJobRequest, context: Any) -> job_pb2.Job:
        self.filterings.append(request)
        if request.validate_only:
            return job_pb2.Job(type="filter", parameters=request.parameters)
        return self._jobs.succeed(f"{MODEL}/versions/1", request.request_id, type="filter")

    async def ListFamilies(self, request: pb.ListFamiliesRequest, context: Any) -> pb.ListFamiliesResponse:
        steps = pb.Parameter(
            name="steps",
            type="int",
            default_value=Value(number_value=3000),
            allowed="an integer at least 1",
            description="training steps",
        )
        return pb.ListFamiliesResponse(families=[pb.Family(kind="image", family="gan", parameters=[steps])])
