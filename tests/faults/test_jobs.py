"""What becomes of jobs whose workers are killed, stopped or slow."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal

from support.engines import events_of, running_engine, signal_workers, until, workers
from synthmill.v1 import job_pb2


def lines_of(ledger) -> list[tuple[int, int]]:
    return [tuple(map(int, line.split())) for line in ledger.read_text().splitlines()]


async def test_worker_killed_at_random_moments_loses_and_doubles_nothing(tmp_path):
    moments = random.Random(7)
    ledger = tmp_path / "ledger"
    async with running_engine(tmp_path, max_attempts=20) as engine:
        job = engine.create("count", {"to": 150, "pause_s": 0.02, "ledger": str(ledger)})
        for _ in range(6):
            await until(workers)
            await asyncio.sleep(moments.uniform(0.0, 1.0))
            signal_workers(signal.SIGKILL)
        events = await events_of(engine, job.name)
        ended = engine.get(job.name)
    assert (ended.state, ended.result) == (job_pb2.JOB_STATE_SUCCEEDED, "numbers/150")
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert sum(event.state == job_pb2.JOB_STATE_SUCCEEDED for event in events) == 1
    assert any("SIGKILL" in event.message for event in events)
    done = [number for _, number in lines_of(ledger)]
    # A number whose checkpoint was cut off may be counted again, never left out, and nothing before it again.
    assert sorted(set(done)) == list(range(1, 151))
    assert all(following - number in (0, 1) for number, following in itertools.pairwise(done))


async def test_job_whose_workers_die_without_getting_on_fails(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("die", {})
        await events_of(engine, job.name)
        failed = engine.get(job.name)
    assert (failed.state, failed.attempts) == (job_pb2.JOB_STATE_FAILED, 3)
    assert (failed.error.reason, failed.error.message) == ("UNAVAILABLE", "the worker was ended by SIGKILL")


async def test_stopped_worker_is_replaced_and_fenced(tmp_path):
    ledger = tmp_path / "ledger"
    async with running_engine(tmp_path) as engine:
        job = engine.create("count", {"to": 100, "pause_s": 0.03, "ledger": str(ledger)})
        await until(lambda: ledger.exists() and len(lines_of(ledger)) > 3)
        (stopped,) = workers()
        os.kill(stopped, signal.SIGSTOP)
        # A second replica of the service takes over as soon as the lease has run out.
        async with running_engine(tmp_path) as replica:
            await until(lambda: engine.get(job.name).attempts == 2)
            with contextlib.suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)
            await events_of(replica, job.name)
            ended = replica.get(job.name)
    assert (ended.state, ended.result, ended.attempts) == (job_pb2.JOB_STATE_SUCCEEDED, "numbers/100", 2)
    assert sorted({number for _, number in lines_of(ledger)}) == list(range(1, 101))


async def test_cancelled_job_of_a_dead_worker_is_cancelled(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("sleep_without_a_word", {})
        await until(workers)
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        engine.cancel(job.name)
        await events_of(engine, job.name)
        assert engine.get(job.name).state == job_pb2.JOB_STATE_CANCELLED
        await until(lambda: not workers())
