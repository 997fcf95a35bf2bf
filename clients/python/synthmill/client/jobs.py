"""Jobs of all services: looked at, watched, waited for, stopped."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping

from synthmill.client.blocking import Blocking, blocking, blocking_iterator
from synthmill.client.endpoints import Endpoint
from synthmill.client.messages import full_name
from synthmill.client.retrying import BROKEN, Tries
from synthmill.client.services import ServiceClient, check_digest
from synthmill.client.settings import Settings
from synthmill.runtime.errors import Cancelled, InvalidField, NotFound, SynthmillError, Unavailable, rebuild
from synthmill.runtime.jobs.names import service_of
from synthmill.v1 import artifact_pb2, job_pb2
from synthmill.v1 import job_service_pb2 as pb
from synthmill.v1.job_service_pb2_grpc import JobServiceStub

FINAL = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)
"""States that a job stays in, unless it is resumed."""

OnEvent = Callable[[job_pb2.JobEvent], None]


class AsyncJobs:
    """The jobs of all services. A job is named "jobs/{service}-{id}"; "jobs/" may be left out.

    Args:
        endpoints: the services that run jobs, by name.
        settings: deadlines and retries.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], settings: Settings) -> None:
        self._services = {service: _ServiceJobs(endpoint, settings) for service, endpoint in endpoints.items()}

    @property
    def services(self) -> list[str]:
        """Names of the services that run jobs."""
        return list(self._services)

    async def get(self, name: str) -> job_pb2.Job:
        """Returns a job."""
        jobs, name = self._find(name)
        return await jobs.get(name)

    async def list(
        self, service: str = "", *, state: job_pb2.JobState = job_pb2.JOB_STATE_UNSPECIFIED
    ) -> AsyncGenerator[job_pb2.Job, None]:
        """Yields jobs, service by service, the newest of each first.

        Args:
            service: only this one; empty means all.
            state: only jobs in this state; unspecified means all.
        """
        if service and service not in self._services:
            raise InvalidField("service", service, "one of " + ", ".join(self._services))
        for name in [service] if service else list(self._services):
            async with contextlib.aclosing(self._services[name].list(state)) as jobs:
                async for job in jobs:
                    yield job

    async def watch(self, name: str, *, after_sequence: int = 0) -> AsyncGenerator[job_pb2.JobEvent, None]:
        """Yields the events of a job until its state is final, each once, whatever breaks meanwhile.

        Args:
            after_sequence: number of the last event already seen; zero begins with the first.
        """
        jobs, name = self._find(name)
        async with contextlib.aclosing(jobs.watch(name, after_sequence)) as events:
            async for event in events:
                yield event

    async def wait(self, name: str, *, on_event: OnEvent | None = None) -> job_pb2.Job:
        """Waits until a job has succeeded and returns it.

        Raises:
            SynthmillError: the job failed; the class is that of its error.
            Cancelled: the job was cancelled.
        """
        last = 0
        while True:
            async with contextlib.aclosing(self.watch(name, after_sequence=last)) as events:
                async for event in events:
                    last = event.sequence
                    if on_event:
                        on_event(event)
            job = await self.get(name)
            # Unless somebody has resumed it in this very moment.
            if job.state in FINAL:
                raise_unless_succeeded(job)
                return job

    async def read_picture(self, name: str, picture: artifact_pb2.Artifact | None = None) -> bytes:
        """Returns a picture that a job has made on its way, such as a grid of samples: a PNG file.

        Args:
            picture: the one wanted, from the progress of the job or of an event; None means the latest. Only the last
                few are kept while a job runs, and the last one when it has ended.

        Raises:
            NotFound: the job has no such picture, or none any more.
            DataLoss: the bytes are not those announced, or the service has lost them.
        """
        jobs, name = self._find(name)
        return await (jobs.latest_picture(name) if picture is None else jobs.read_picture(name, picture))

    async def cancel(self, name: str) -> job_pb2.Job:
        """Asks a job to stop at its next step."""
        jobs, name = self._find(name)
        return await jobs.cancel(name)

    async def resume(self, name: str) -> job_pb2.Job:
        """Puts a failed or cancelled job back in the queue; it goes on from its last checkpoint."""
        jobs, name = self._find(name)
        return await jobs.resume(name)

    def _find(self, name: str) -> tuple[_ServiceJobs, str]:
        name = full_name("jobs", name)
        service = service_of(name)
        if service not in self._services:
            allowed = f"a job of one of the services {', '.join(self._services)}"
            raise InvalidField("name", name, allowed)
        return self._services[service], name


class Jobs(Blocking[AsyncJobs]):
    """The jobs of all services; methods as in `AsyncJobs`, without await."""

    @property
    def services(self) -> list[str]:
        """Names of the services that run jobs."""
        return self._core.services

    get = blocking(AsyncJobs.get)
    list = blocking_iterator(AsyncJobs.list)
    watch = blocking_iterator(AsyncJobs.watch)
    wait = blocking(AsyncJobs.wait)
    read_picture = blocking(AsyncJobs.read_picture)
    cancel = blocking(AsyncJobs.cancel)
    resume = blocking(AsyncJobs.resume)


def raise_unless_succeeded(job: job_pb2.Job) -> None:
    """Raises the error that ended a job, if one did.

    Raises:
        SynthmillError: as `AsyncJobs.wait`.
    """
    if job.state == job_pb2.JOB_STATE_CANCELLED:
        raise Cancelled(f"{job.name} was cancelled", job=job.name)
    if job.state == job_pb2.JOB_STATE_FAILED:
        error = job.error
        raise rebuild(error.reason, f"{job.name} failed: {error.message}", {**error.metadata, "job": job.name})


class _ServiceJobs(ServiceClient):
    """The jobs of one service."""

    stub = JobServiceStub

    async def get(self, name: str) -> job_pb2.Job:
        return await self._unary("GetJob", pb.GetJobRequest(name=name))

    def list(self, state: job_pb2.JobState) -> AsyncGenerator[job_pb2.Job, None]:
        return self._pages("ListJobs", pb.ListJobsRequest(state=state), "jobs")

    async def cancel(self, name: str) -> job_pb2.Job:
        return await self._unary("CancelJob", pb.CancelJobRequest(name=name))

    async def resume(self, name: str) -> job_pb2.Job:
        return await self._unary("ResumeJob", pb.ResumeJobRequest(name=name))

    async def latest_picture(self, name: str) -> bytes:
        picture = await self._latest(name)
        while True:
            try:
                return await self.read_picture(name, picture)
            except NotFound:
                # It may have been superseded meanwhile.
                before, picture = picture, await self._latest(name)
                if picture == before:
                    raise

    async def read_picture(self, name: str, picture: artifact_pb2.Artifact) -> bytes:
        request = pb.ReadJobPictureRequest(name=name, sha256=picture.sha256)
        async with contextlib.aclosing(self._file("ReadJobPicture", request, picture)) as pieces:
            data = b"".join([piece async for piece in pieces])
        check_digest(name, picture, hashlib.sha256(data))
        return data

    async def _latest(self, name: str) -> artifact_pb2.Artifact:
        job = await self.get(name)
        if not job.progress.HasField("picture"):
            raise NotFound(f"{name} has made no picture", job=name)
        return job.progress.picture

    async def watch(self, name: str, after_sequence: int) -> AsyncGenerator[job_pb2.JobEvent, None]:
        job = await self.get(name)
        last = after_sequence
        state = job.state if job.last_sequence == last else job_pb2.JOB_STATE_UNSPECIFIED
        if state in FINAL:
            return
        tries = Tries(self._settings.retry)
        while True:
            error: SynthmillError = Unavailable(f"{name}: the watch ended before the job")
            request = pb.WatchJobRequest(name=name, after_sequence=last)
            try:
                async with contextlib.aclosing(self._stream("WatchJob", request)) as events:
                    async for event in events:
                        tries.progress()
                        if _is_new(event, last):
                            last, state = event.sequence, event.state or state
                            yield event
                # A job can be resumed after a final state: only a stream that ends by itself after one is the end.
                if state in FINAL:
                    return
            except BROKEN as broken:
                error = broken
            await self._endpoint.sleep(tries.pause_s(error))


def _is_new(event: job_pb2.JobEvent, last: int) -> bool:
    """Tells an event from a heartbeat or a repetition.

    Raises:
        Unavailable: events before it have not come.
    """
    if event.sequence > last + 1:
        raise Unavailable(f"events {last + 1} to {event.sequence - 1} are missing")
    return event.sequence == last + 1
