"""A job service whose jobs are done at once, or never, until they are resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from synthmill.runtime.errors import FailedPrecondition, NotFound
from synthmill.runtime.jobs.names import new_job_name
from synthmill.v1 import job_pb2, job_service_pb2_grpc
from synthmill.v1 import job_service_pb2 as pb

PENDING, RUNNING = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED, CANCELLED = (
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
)
FINAL = (SUCCEEDED, FAILED, CANCELLED)

SECONDS = 2
"""What every job says that it took."""


class Jobs(job_service_pb2_grpc.JobServiceServicer):
    """The jobs of one service.

    Args:
        service: its name.

    Attributes:
        found: the jobs, by name.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._events: dict[str, list[job_pb2.JobEvent]] = {}
        self.found: dict[str, job_pb2.Job] = {}

    def add(
        self,
        result: str,
        told: Sequence[job_pb2.JobProgress] = (),
        *,
        ends: bool = True,
        error: job_pb2.JobError | None = None,
    ) -> job_pb2.Job:
        """Adds a job.

        Args:
            result: resource that it makes.
            told: what it says on its way.
            ends: whether it does by itself.
            error: that ends it.
        """
        job = job_pb2.Job(name=new_job_name(self._service), result=result, error=error)
        job.end_time.FromSeconds(SECONDS)
        self.found[job.name], self._events[job.name] = job, []
        for state in (PENDING, RUNNING):
            self._enter(job, state)
        for progress in told:
            self._append(job, progress=progress)
        if ends:
            self._enter(job, FAILED if error else SUCCEEDED)
        return job

    def end(self, job: job_pb2.Job) -> None:
        """Lets a job succeed."""
        self._enter(job, SUCCEEDED)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> job_pb2.Job:
        return self._find(request.name)

    async def WatchJob(self, request: pb.WatchJobRequest, context: Any) -> AsyncIterator[job_pb2.JobEvent]:
        job, last = self._find(request.name), request.after_sequence
        while True:
            for event in self._events[job.name][last:]:
                yield event
                last = event.sequence
            if job.state in FINAL:
                return
            await asyncio.sleep(0.01)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> job_pb2.Job:
        job = self._find(request.name)
        if job.state in (SUCCEEDED, FAILED):
            raise FailedPrecondition(f"{job.name} has ended and cannot be cancelled")
        self._enter(job, CANCELLED)
        return job

    async def ResumeJob(self, request: pb.ResumeJobRequest, context: Any) -> job_pb2.Job:
        job = self._find(request.name)
        if job.state not in (FAILED, CANCELLED):
            raise FailedPrecondition(f"{job.name} cannot be resumed")
        job.ClearField("error")
        for state in (PENDING, RUNNING, SUCCEEDED):
            self._enter(job, state)
        return job

    def _enter(self, job: job_pb2.Job, state: job_pb2.JobState) -> None:
        job.state = state
        self._append(job, state=state)

    def _append(self, job: job_pb2.Job, **event: Any) -> None:
        job.last_sequence += 1
        self._events[job.name].append(job_pb2.JobEvent(sequence=job.last_sequence, **event))

    def _find(self, name: str) -> job_pb2.Job:
        if name not in self.found:
            raise NotFound(f"there is no job {name}", field="name", value=name)
        return self.found[name]
