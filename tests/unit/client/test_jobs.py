"""Jobs through the SDK: watched over broken connections, waited for, stopped."""

from __future__ import annotations

import random

import pytest
from unit.client.fakes.faults import BREAK, END_EARLY

from synthmill.runtime.errors import Cancelled, DataLoss, Diverged, InvalidField, NotFound, OutOfRange, Unavailable
from synthmill.v1 import job_pb2

PENDING, RUNNING = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED


def sequences(events):
    return [event.sequence for event in events]


@pytest.mark.parametrize("trial", range(5))
def test_watch_over_broken_connections_misses_nothing_and_doubles_nothing(client, services, trial):
    job = services.training_jobs.add([PENDING, RUNNING, *map(str, range(40)), SUCCEEDED])
    draw = random.Random(trial)
    services.training_jobs.faults.plan = [(draw.randrange(12), draw.choice([BREAK, END_EARLY])) for _ in range(8)]
    assert sequences(client.jobs.watch(job.name)) == list(range(1, 44))
    assert services.training_jobs.faults.opened > 3


def test_watch_goes_on_after_an_event(client, services):
    job = services.catalog_jobs.succeed("datasets/x/versions/1")
    assert sequences(client.jobs.watch(job.name, after_sequence=3)) == [4, 5]
    assert sequences(client.jobs.watch(job.name, after_sequence=5)) == []


def test_watch_of_a_job_that_was_resumed_goes_on_to_the_last_end(client, services):
    job = services.training_jobs.add([PENDING, RUNNING, FAILED, PENDING, RUNNING, SUCCEEDED])
    # The connection breaks right after the event that looks like the end, which heartbeat and three events precede.
    services.training_jobs.faults.plan = [(4, BREAK)]
    assert sequences(client.jobs.watch(job.name)) == [1, 2, 3, 4, 5, 6]


def test_watch_that_brings_nothing_is_given_up(client, services):
    job = services.training_jobs.add([PENDING, RUNNING])
    services.training_jobs.faults.plan = [(0, BREAK)] * 10
    with pytest.raises(Unavailable):
        list(client.jobs.watch(job.name))
    assert services.training_jobs.faults.opened == 4


def test_watch_from_the_future_is_refused(client, services):
    job = services.training_jobs.succeed("models/x/versions/1")
    with pytest.raises(OutOfRange):
        list(client.jobs.watch(job.name, after_sequence=99))


def test_wait_returns_the_job_and_tells_its_events(client, services):
    job = services.catalog_jobs.succeed("datasets/x/versions/1")
    services.catalog_jobs.faults.plan = [(2, BREAK)]
    told = []
    assert client.jobs.wait(job.name, on_event=told.append).result == "datasets/x/versions/1"
    assert sequences(told) == [1, 2, 3, 4, 5]


def test_wait_raises_the_error_of_a_failed_job(client, services):
    error = job_pb2.JobError(
        code=10, reason="DIVERGED", message="loss_g is nan", metadata={"step": "7", "tensor": "loss_g"}
    )
    job = services.training_jobs.add([PENDING, RUNNING, FAILED], error=error)
    with pytest.raises(Diverged, match="loss_g is nan") as caught:
        client.jobs.wait(job.name)
    assert caught.value.metadata == {"step": "7", "tensor": "loss_g", "job": job.name}


def test_wait_raises_when_the_job_was_cancelled(client, services):
    job = services.training_jobs.add([PENDING, job_pb2.JOB_STATE_CANCELLED])
    with pytest.raises(Cancelled, match=job.name):
        client.jobs.wait(job.name)


def test_jobs_of_all_services_are_listed_page_by_page(client, services):
    names = [services.catalog_jobs.succeed("x").name for _ in range(5)]
    names = [*reversed(names), services.training_jobs.add([PENDING]).name]
    assert [job.name for job in client.jobs.list()] == names
    assert [job.name for job in client.jobs.list("training")] == names[5:]
    assert [job.name for job in client.jobs.list(state=PENDING)] == names[5:]


def test_cancel_and_resume_go_to_the_service_of_the_job(client, services):
    job = services.training_jobs.add([PENDING, RUNNING])
    assert client.jobs.cancel(job.name).state == job_pb2.JOB_STATE_CANCELLED
    assert client.jobs.resume(job.name.removeprefix("jobs/")).state == PENDING


def test_picture_comes_whole_over_broken_connections(client, services):
    jobs = services.training_jobs
    first, last = jobs.picture(b"a first picture"), jobs.picture(b"the latest picture")
    job = jobs.add([RUNNING, first, last])
    jobs.faults.plan = [(1, BREAK), (2, END_EARLY)]
    assert client.jobs.read_picture(job.name) == b"the latest picture"
    assert client.jobs.read_picture(job.name, first.picture) == b"a first picture"


def test_picture_that_is_superseded_while_it_is_asked_for_gives_way_to_the_newer_one(client, services):
    jobs = services.training_jobs
    job = jobs.add([RUNNING, jobs.picture(b"old")])
    jobs.newer = jobs.picture(b"new")
    assert client.jobs.read_picture(job.name) == b"new"


def test_picture_that_is_not_there_or_another_is_told(client, services):
    jobs = services.training_jobs
    with pytest.raises(NotFound, match="no picture"):
        client.jobs.read_picture(jobs.add([RUNNING]).name)
    drawn = jobs.picture(b"drawn")
    job = jobs.add([RUNNING, drawn])
    jobs.pictures[drawn.picture.sha256] = b"DRAWN"
    with pytest.raises(DataLoss, match="digest"):
        client.jobs.read_picture(job.name)
    jobs.pictures.clear()
    with pytest.raises(NotFound, match="no such picture"):
        client.jobs.read_picture(job.name)


@pytest.mark.parametrize("name", ["jobs/nonsense", "models/x", "jobs/sampling-0123456789abcdefgh"])
def test_names_of_no_job_are_refused(client, name):
    with pytest.raises(InvalidField):
        client.jobs.get(name)


def test_unknown_job_is_not_found(client):
    with pytest.raises(NotFound):
        list(client.jobs.watch("jobs/training-0123456789abcdefgh"))


async def test_async_watch_and_wait(async_client, services):
    job = services.training_jobs.add([PENDING, RUNNING, "half", SUCCEEDED], result="models/x/versions/1")
    services.training_jobs.faults.plan = [(1, BREAK), (2, END_EARLY)]
    assert sequences([event async for event in async_client.jobs.watch(job.name)]) == [1, 2, 3, 4]
    assert (await async_client.jobs.wait(job.name)).result == "models/x/versions/1"
