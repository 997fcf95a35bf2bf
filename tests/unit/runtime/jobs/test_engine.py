"""Jobs from creation to their end, with real worker processes."""

from __future__ import annotations

import asyncio
import os
import uuid

import pytest

from support.engines import engine_in, events_of, running_engine, until, workers
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import AlreadyExists, FailedPrecondition, InvalidField, NotFound, OutOfRange, Unavailable
from synthmill.v1 import job_pb2, job_service_pb2

pytestmark = pytest.mark.usefixtures("database")


def numbers(path) -> list[int]:
    return [int(line.split()[1]) for line in path.read_text().splitlines()]


async def test_job_runs_in_a_worker_and_its_events_have_no_gap(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("count", {"to": 5, "ledger": str(tmp_path / "ledger")})
        assert job.state == job_pb2.JOB_STATE_PENDING
        events = await events_of(engine, job.name)
        ended = engine.get(job.name)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    states = [event.state for event in events if event.WhichOneof("event") == "state"]
    assert states == [job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_SUCCEEDED]
    assert (ended.result, ended.attempts, ended.progress.done, ended.progress.total) == ("numbers/5", 1, 5, 5)
    assert ended.progress.metrics["last"] == 5
    assert ended.end_time.seconds >= ended.create_time.seconds > 0
    assert numbers(tmp_path / "ledger") == [1, 2, 3, 4, 5]
    assert not list((tmp_path / "scratch" / "pipeline" / "jobs").iterdir())


async def test_error_of_the_tree_is_kept_with_its_details(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("refuse", {})
        await events_of(engine, job.name)
        error = engine.get(job.name).error
    assert (error.code, error.reason, error.message) == (3, "BAD_DATA", "the numbers are too large")
    assert dict(error.metadata) == {"field": "numbers", "value": "9", "allowed": "up to 8"}


async def test_error_of_another_kind_tells_no_secrets(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("break_down", {})
        await events_of(engine, job.name)
        failed = engine.get(job.name)
    assert failed.state == job_pb2.JOB_STATE_FAILED
    assert failed.error.reason == "INTERNAL"
    assert "secret" not in failed.error.message


async def test_unknown_type_fails_by_name(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("from-a-newer-version", {})
        await events_of(engine, job.name)
        assert "from-a-newer-version" in engine.get(job.name).error.message


async def test_running_job_is_cancelled_within_a_heartbeat_and_resumed_from_its_checkpoint(tmp_path):
    ledger = tmp_path / "ledger"
    async with running_engine(tmp_path) as engine:
        job = engine.create("count", {"to": 100, "pause_s": 0.03, "ledger": str(ledger)})
        await until(lambda: ledger.exists() and len(numbers(ledger)) > 5)
        assert engine.cancel(job.name).state == job_pb2.JOB_STATE_CANCELLING
        await events_of(engine, job.name)
        assert engine.get(job.name).state == job_pb2.JOB_STATE_CANCELLED
        assert engine.cancel(job.name).state == job_pb2.JOB_STATE_CANCELLED
        before = len(numbers(ledger))
        assert before < 100
        engine.resume(job.name)
        await until(lambda: engine.get(job.name).state == job_pb2.JOB_STATE_SUCCEEDED)
        assert engine.get(job.name).attempts == 2
    assert numbers(ledger) == list(range(1, 101))


async def test_waiting_job_is_cancelled_at_once(tmp_path):
    async with running_engine(tmp_path) as engine:
        first = engine.create("sleep_without_a_word", {})
        second = engine.create("sleep_without_a_word", {})
        await until(lambda: engine.get(first.name).state == job_pb2.JOB_STATE_RUNNING)
        assert engine.cancel(second.name).state == job_pb2.JOB_STATE_CANCELLED
        engine.cancel(first.name)
        await events_of(engine, first.name)
        with pytest.raises(FailedPrecondition):
            engine.resume(engine.create("refuse", {}).name)


async def test_as_many_jobs_run_at_a_time_as_allowed(tmp_path):
    async with running_engine(tmp_path, concurrency=2) as engine:
        jobs = [engine.create("sleep_without_a_word", {}) for _ in range(3)]
        running = job_service_pb2.ListJobsRequest(state=job_pb2.JOB_STATE_RUNNING)
        await until(lambda: len(engine.list(running).jobs) == 2)
        await asyncio.sleep(0.5)
        assert [job.name for job in engine.list(running).jobs] == [jobs[1].name, jobs[0].name]
        assert len(workers()) == 2
    assert workers() == []


async def test_jobs_of_a_stopped_service_wait_for_the_next_one(tmp_path):
    ledger = tmp_path / "ledger"
    async with running_engine(tmp_path) as engine:
        job = engine.create("count", {"to": 60, "pause_s": 0.03, "ledger": str(ledger)})
        await until(lambda: ledger.exists() and len(numbers(ledger)) > 3)
    async with running_engine(tmp_path) as engine:
        await events_of(engine, job.name)
        assert engine.get(job.name).result == "numbers/60"
    assert sorted(set(numbers(ledger))) == list(range(1, 61))


async def test_worker_that_loads_for_longer_than_its_lease_is_waited_for(tmp_path, monkeypatch):
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text("import time\n\ntime.sleep(2.5)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(slow), os.environ["PYTHONPATH"]]))
    async with running_engine(tmp_path, lease_s=1.0, heartbeat_s=0.2) as engine:
        job = engine.create("count", {"to": 2, "ledger": str(tmp_path / "ledger")})
        await events_of(engine, job.name)
        assert engine.get(job.name).attempts == 1


@pytest.mark.parametrize("turns", range(6))
async def test_an_engine_that_is_woken_as_it_is_stopped_stops(tmp_path, turns):
    engine = engine_in(tmp_path)
    await engine.start()
    await asyncio.sleep(0.1)
    engine.create("no such type", {})
    # How far the waking has got when the stop comes.
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await engine.stop()
    assert not workers()


async def test_same_request_from_fifty_clients_makes_one_job(tmp_path):
    request_id = str(uuid.uuid4())
    async with running_engine(tmp_path) as engine:
        make = engine.create
        jobs = await asyncio.gather(*(asyncio.to_thread(make, "tell", {"times": 1}, request_id) for _ in range(50)))
        assert len({job.name for job in jobs}) == 1
        assert len(engine.list(job_service_pb2.ListJobsRequest()).jobs) == 1
        with pytest.raises(AlreadyExists, match=request_id):
            engine.create("tell", {"times": 2}, request_id)
        assert engine.create("tell", {"times": 1}, "").name != jobs[0].name


async def test_watch_goes_on_after_the_last_event_seen(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("tell", {"times": 20})
        live = await events_of(engine, job.name)
        everything = await events_of(engine, job.name)
        assert [(event.sequence, event.message) for event in live] == [(e.sequence, e.message) for e in everything]
        for after in (0, 1, 7, len(everything) - 1):
            assert await events_of(engine, job.name, after) == everything[after:]
        with pytest.raises(OutOfRange, match="after_sequence"):
            await events_of(engine, job.name, len(everything) + 1)
        with pytest.raises(InvalidField, match="after_sequence"):
            await events_of(engine, job.name, -1)


async def test_watch_ends_with_its_position_when_the_service_drains(tmp_path):
    drain = Drain()
    async with running_engine(tmp_path) as engine:
        job = engine.create("sleep_without_a_word", {})
        seen = []

        async def watch() -> None:
            async for event in engine.watch(job.name, 0, drain):
                seen.append(event.sequence)

        task = asyncio.create_task(watch())
        await until(lambda: len(seen) == 2)
        drain.begin()
        with pytest.raises(Unavailable) as caught:
            await task
        assert caught.value.metadata["after_sequence"] == "2"


async def test_lists_are_paged_newest_first(tmp_path):
    async with running_engine(tmp_path) as engine:
        names = [engine.create("tell", {"times": 0}).name for _ in range(5)]
        found, token = [], ""
        while True:
            page = engine.list(job_service_pb2.ListJobsRequest(page_size=2, page_token=token))
            found += [job.name for job in page.jobs]
            token = page.next_page_token
            if not token:
                break
        assert found == names[::-1]
        with pytest.raises(InvalidField, match="page_token"):
            engine.list(job_service_pb2.ListJobsRequest(page_token="x"))
        with pytest.raises(InvalidField, match="state"):
            engine.list(job_service_pb2.ListJobsRequest(state=99))


async def test_names_that_are_not_of_this_service_are_refused(tmp_path):
    async with running_engine(tmp_path) as engine:
        with pytest.raises(InvalidField, match="name"):
            engine.get("jobs/nonsense")
        with pytest.raises(NotFound, match="catalog"):
            engine.get(f"jobs/catalog-{'0' * 18}")
        with pytest.raises(NotFound, match="no job"):
            engine.get(f"jobs/pipeline-{'0' * 18}")
