"""A job service whose jobs are scripts of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from unit.client.fakes.faults import Faults, faulty
from unit.client.fakes.model import make_artifact

from synthmill.runtime.errors import FailedPrecondition, NotFound, OutOfRange
from synthmill.runtime.jobs.names import new_job_name
from synthmill.v1 import artifact_pb2, job_pb2, job_service_pb2_grpc
from synthmill.v1 import job_service_pb2 as pb

Event = int | job_pb2.JobProgress | str
"""A state, or progress, or a message."""


class FakeJobs(job_service_pb2_grpc.JobServiceServicer):
    """The jobs of one service.

    Args:
        service: its name.

    Attributes:
        faults: how streams break.
        pictures: bytes of the pictures that are still there, by digest.
        newer: told in the moment in which a picture is asked for, which is then gone.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._events: dict[str, list[job_pb2.JobEvent]] = {}
        self._jobs: dict[str, job_pb2.Job] = {}
        self._by_request: dict[str, str] = {}
        self.faults = Faults()
        self.pictures: dict[str, bytes] = {}
        self.newer: job_pb2.JobProgress | None = None

    def add(self, events: list[Event], request_id: str = "", **fields: Any) -> job_pb2.Job:
        """Adds a job that has been through some events, or returns the one that the request made before."""
        if request_id and request_id in self._by_request:
            return self._jobs[self._by_request[request_id]]
        job = job_pb2.Job(name=new_job_name(self._service), last_sequence=len(events), **fields)
        self._jobs[job.name] = job
        self._by_request[request_id] = job.name
        self._events[job.name] = [self._event(job, number, event) for number, event in enumerate(events, 1)]
        return job

    def succeed(self, result: str, request_id: str = "", **fields: Any) -> job_pb2.Job:
        """Adds a job that makes something in no time."""
        picture = self.picture(b"a picture").picture
        progress = job_pb2.JobProgress(done=1, total=2, unit="items", phase="read", rate=3.0, picture=picture)
        states = (job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING)
        return self.add(
            [*states, progress, "halfway", job_pb2.JOB_STATE_SUCCEEDED], request_id, result=result, **fields
        )

    def picture(self, data: bytes) -> job_pb2.JobProgress:
        """Makes a picture, and the progress that tells it."""
        artifact = make_artifact("progress.png", data)
        self.pictures[artifact.sha256] = data
        return job_pb2.JobProgress(done=1, unit="steps", picture=artifact)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> job_pb2.Job:
        return self._find(request.name)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        found = [job for job in reversed(self._jobs.values()) if request.state in (0, job.state)]
        start = int(request.page_token or 0)
        token = str(start + 2) if start + 2 < len(found) else ""
        return pb.ListJobsResponse(jobs=found[start : start + 2], next_page_token=token)

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[job_pb2.JobEvent]:
        job = self._find(request.name)
        if request.after_sequence > job.last_sequence:
            raise OutOfRange("after_sequence", request.after_sequence, f"0 to {job.last_sequence}")
        async for event in faulty(self._replay(request), self.faults):
            yield event

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> job_pb2.Job:
        job = self._find(request.name)
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            raise FailedPrecondition(f"{job.name} has succeeded and cannot be cancelled")
        job.state = job_pb2.JOB_STATE_CANCELLED
        return job

    async def ResumeJob(self, request: pb.ResumeJobRequest, context: Any) -> job_pb2.Job:
        job = self._find(request.name)
        job.state = job_pb2.JOB_STATE_PENDING
        return job

    async def ReadJobPicture(
        self, request: pb.ReadJobPictureRequest, context: Any
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        job = self._find(request.name)
        if self.newer is not None:
            job.progress.CopyFrom(self.newer)
            del self.pictures[request.sha256]
            self.newer = None
        if request.sha256 not in self.pictures:
            raise NotFound("there is no such picture", field="sha256", value=request.sha256)
        data = self.pictures[request.sha256]
        pieces = (artifact_pb2.ArtifactChunk(offset=at, data=data[at : at + 4]) for at in range(0, len(data), 4))
        async for chunk in faulty((piece for piece in pieces if piece.offset >= request.offset), self.faults):
            yield chunk

    def _event(self, job: job_pb2.Job, number: int, event: Event) -> job_pb2.JobEvent:
        if isinstance(event, str):
            return job_pb2.JobEvent(sequence=number, message=event)
        if isinstance(event, job_pb2.JobProgress):
            job.progress.CopyFrom(event)
            return job_pb2.JobEvent(sequence=number, progress=event)
        job.state = event
        return job_pb2.JobEvent(sequence=number, state=event, job=job)

    def _replay(self, request: pb.WatchJobRequest) -> Iterator[job_pb2.JobEvent]:
        yield job_pb2.JobEvent()
        yield from self._events[request.name][request.after_sequence :]

    def _find(self, name: str) -> job_pb2.Job:
        if name not in self._jobs:
            raise NotFound(f"there is no job {name}", field="name", value=name)
        return self._jobs[name]
