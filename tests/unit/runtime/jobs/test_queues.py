"""What waits, runs and fails, as the status and the metrics tell it of the job table."""

from __future__ import annotations

import asyncio
import datetime

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import update

from support.engines import config_in, engine_in, events_of, running_engine, until
from synthmill.runtime.database import open_database
from synthmill.runtime.jobs.metrics import JobMetrics
from synthmill.runtime.jobs.queues import failed_jobs, read_queues
from synthmill.runtime.jobs.tables import JobEventRow, JobRow, now
from synthmill.v1 import job_pb2, status_pb2

pytestmark = pytest.mark.usefixtures("database")


async def status_of(engine) -> status_pb2.ServiceStatus:
    status = status_pb2.ServiceStatus()
    await engine.report(status)
    return status


def told(name: str, job_type: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"service": "pipeline", "type": job_type, **labels})


async def test_status_tells_what_waits_runs_and_has_failed(tmp_path):
    async with running_engine(tmp_path) as engine:
        failed = engine.create("refuse", {})
        await events_of(engine, failed.name)
        running = engine.create("count", {"to": 1000, "pause_s": 0.1, "ledger": str(tmp_path / "ledger")})
        await until(lambda: engine.get(running.name).progress.done > 1)
        waiting = [engine.create("count", {"to": 1, "ledger": str(tmp_path / "other")}) for _ in range(2)]
        await asyncio.sleep(0.3)
        status = await status_of(engine)
        assert told("synthmill_jobs_pending", "count") == 2
        assert 0.3 <= told("synthmill_jobs_pending_seconds", "count") < 30
        assert told("synthmill_jobs_rate", "count", unit="numbers") == pytest.approx(10, rel=0.5)
        # So that a panel or an autoscaler need not wait for the first one.
        assert told("synthmill_jobs_pending", "tell") == 0
        for job in (*waiting, running):
            engine.cancel(job.name)
        await events_of(engine, running.name)
    count, refuse = status.job_queues
    assert (count.type, count.pending, count.running, count.failed) == ("count", 2, 1, 0)
    assert 0.3 <= count.longest_pending_s < 30
    assert 0 <= count.longest_silent_s < 30
    assert (refuse.type, refuse.pending, refuse.running, refuse.failed) == ("refuse", 0, 0, 1)
    assert [job.name for job in status.running_jobs] == [running.name]
    assert status.running_jobs[0].progress.done > 1
    assert [job.error.reason for job in status.failed_jobs] == ["BAD_DATA"]
    # Once the engine has stopped, nobody tells of its jobs.
    assert told("synthmill_jobs_pending", "count") is None


async def test_job_that_was_resumed_waits_from_then_on_and_has_not_failed(tmp_path):
    async with running_engine(tmp_path) as engine:
        job = engine.create("refuse", {})
        await events_of(engine, job.name)
    engine = engine_in(tmp_path)
    database = open_database(config_in(tmp_path).database_url)
    with database.begin() as connection:
        connection.execute(update(JobRow).values(create_time=now() - datetime.timedelta(days=3)))
        connection.execute(update(JobEventRow).values(time=now() - datetime.timedelta(days=2)))
    assert engine.resume(job.name).state == job_pb2.JOB_STATE_PENDING
    (queue,) = read_queues(database)
    assert (queue.pending, queue.failed) == (1, 0)
    assert queue.longest_pending_s < 60
    await engine.stop()
    database.dispose()


async def test_failure_of_the_day_before_yesterday_is_no_news(tmp_path):
    async with running_engine(tmp_path) as engine:
        for _ in range(2):
            await events_of(engine, engine.create("refuse", {}).name)
    database = open_database(config_in(tmp_path).database_url)
    assert len(failed_jobs(database, 10)) == 2
    assert len(failed_jobs(database, 1)) == 1
    with database.begin() as connection:
        connection.execute(update(JobRow).values(end_time=now() - datetime.timedelta(days=2)))
    assert failed_jobs(database, 10) == []
    assert read_queues(database) == []
    database.dispose()


def test_database_that_is_gone_leaves_the_other_metrics_alone(tmp_path, caplog):
    database = open_database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert list(JobMetrics("pipeline", ["count"], database).collect()) == []
    assert "could not be read" in caplog.text
    database.dispose()
