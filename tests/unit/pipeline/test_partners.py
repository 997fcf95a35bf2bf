"""The other services, as a loop calls them: waited for where they are away, their jobs followed to the end."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from collections.abc import Iterator

import grpc
import pytest
from unit.pipeline.jobs import CANCELLED, FAILED, SUCCEEDED, Jobs

from synthmill.pipeline.partners import JobFailed, JobStopped, Partner
from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import Cancelled, FailedPrecondition, Unavailable
from synthmill.v1 import job_pb2
from synthmill.v1.job_service_pb2 import GetJobRequest
from synthmill.v1.job_service_pb2_grpc import JobServiceStub, add_JobServiceServicer_to_server

ERROR = job_pb2.JobError(code=9, reason="FAILED_PRECONDITION", message="a loss of 3 points", metadata={"loss": "3"})
PROGRESS = [job_pb2.JobProgress(done=number, total=3, unit="steps") for number in (1, 2, 3)]


@contextlib.contextmanager
def serving(jobs: Jobs, port: int) -> Iterator[None]:
    """Serves jobs on a port for the length of a with block."""
    ready: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        server, stop = grpc.aio.server(), asyncio.Event()
        add_JobServiceServicer_to_server(jobs, ObservedServer(server, "training", Drain()))
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        ready.put((asyncio.get_running_loop(), stop))
        await stop.wait()
        await server.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, stop = ready.get(timeout=10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture
def jobs() -> Jobs:
    return Jobs("training")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def partner(port) -> Iterator[Partner]:
    with connect_sync(f"127.0.0.1:{port}") as channel:
        yield Partner(JobServiceStub, channel, 20.0, lambda: None)


def follow(partner: Partner, job: job_pb2.Job, *, retry: bool = False) -> list[job_pb2.JobEvent]:
    """Follows a job and returns its events."""
    events: list[job_pb2.JobEvent] = []
    partner.follow(job, events.append, retry=retry)
    return events


def test_job_is_followed_from_its_first_event_to_its_end(partner, port, jobs):
    with serving(jobs, port):
        events = follow(partner, jobs.add("models/m/versions/1", PROGRESS))
    assert [event.sequence for event in events] == list(range(1, 7))
    assert [event.progress.done for event in events if event.HasField("progress")] == [1, 2, 3]


def test_error_of_a_job_is_told(partner, port, jobs):
    with serving(jobs, port), pytest.raises(JobFailed) as caught:
        follow(partner, jobs.add("", error=ERROR))
    assert isinstance(caught.value.error, FailedPrecondition)
    assert (str(caught.value), caught.value.error.metadata) == ("a loss of 3 points", {"loss": "3"})


def test_failed_job_is_begun_again_only_if_it_is_needed(partner, port, jobs):
    job = jobs.add("models/m/versions/1", error=ERROR)
    with serving(jobs, port):
        with pytest.raises(JobFailed):
            follow(partner, job)
        assert job.state == FAILED
        follow(partner, job_pb2.Job.FromString(job.SerializeToString()), retry=True)
    assert job.state == SUCCEEDED


def test_job_that_was_cancelled_before_goes_on(partner, port, jobs):
    job = jobs.add("models/m/versions/1", ends=False)
    with serving(jobs, port):
        partner.cancel(job.name)
        assert job.state == CANCELLED
        events = follow(partner, job_pb2.Job.FromString(job.SerializeToString()))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert job.state == SUCCEEDED


def test_job_that_somebody_cancels_meanwhile_has_failed(partner, port, jobs):
    job = jobs.add("models/m/versions/1", PROGRESS, ends=False)

    def look(event: job_pb2.JobEvent) -> None:
        if event.progress.done == 3:
            partner.cancel(job.name)

    with serving(jobs, port), pytest.raises(JobFailed, match="cancelled by somebody else"):
        partner.follow(job_pb2.Job.FromString(job.SerializeToString()), look, retry=True)


def test_what_looks_at_events_may_stop(partner, port, jobs):
    def look(event: job_pb2.JobEvent) -> None:
        raise JobStopped("not worth it")

    with serving(jobs, port), pytest.raises(JobStopped, match="not worth it"):
        partner.follow(jobs.add("", PROGRESS), look, retry=False)


def test_service_that_is_away_is_waited_for_and_no_event_is_lost(partner, port, jobs):
    job = jobs.add("models/m/versions/1", PROGRESS, ends=False)
    events: list[job_pb2.JobEvent] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            partner.follow(job_pb2.Job.FromString(job.SerializeToString()), events.append, retry=False)
        except BaseException as error:
            failures.append(error)

    with serving(jobs, port):
        thread = threading.Thread(target=run)
        thread.start()
        while len(events) < 5:
            thread.join(0.01)
    with serving(jobs, port):
        jobs.end(job)
        thread.join(30)
    assert failures == []
    assert [event.sequence for event in events] == list(range(1, 7))


def test_waiting_has_an_end_and_stops_with_the_loop(port):
    with connect_sync(f"127.0.0.1:{port}") as channel:
        with pytest.raises(Unavailable):
            Partner(JobServiceStub, channel, 0.5, lambda: None).ask("GetJob", GetJobRequest(name="x"))

        def check() -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled):
            Partner(JobServiceStub, channel, 60.0, check).ask("GetJob", GetJobRequest(name="x"))
