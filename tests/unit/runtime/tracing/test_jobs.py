"""Jobs as part of the trace of the request that made them, with real worker processes."""

from __future__ import annotations

import asyncio
import signal

import pytest
from opentelemetry import trace

from support.engines import events_of, running_engine, signal_workers, until
from synthmill.runtime.tracing.parents import trace_id
from synthmill.v1 import job_pb2

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def _collected(monkeypatch, collector):
    """Workers send their traces to the collector."""
    for name, value in collector.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def request_span():
    """What a request is in that makes a job."""
    found = trace.SpanContext(int(TRACE, 16), int(PARENT, 16), is_remote=True, trace_flags=trace.TraceFlags.SAMPLED)
    with trace.use_span(trace.NonRecordingSpan(found)):
        assert trace_id() == TRACE
        yield


async def test_job_is_a_span_of_its_request_s_trace_although_its_worker_was_lost(tmp_path, request_span, collector):
    async with running_engine(tmp_path) as engine:
        parameters = {"to": 20, "pause_s": 0.05, "ledger": str(tmp_path / "ledger")}
        job = await asyncio.to_thread(engine.create, "count", parameters)
        await until(lambda: engine.get(job.name).progress.done > 2)
        assert signal_workers(signal.SIGKILL)
        await events_of(engine, job.name)
        assert engine.get(job.name).state == job_pb2.JOB_STATE_SUCCEEDED
        await until(collector.spans)
    # The first worker took its span with it.
    (span,) = collector.spans()
    assert (span.service, span.name, span.kind) == ("synthmill-pipeline", "job count", "INTERNAL")
    assert (span.trace, span.parent, span.failed) == (TRACE, PARENT, False)
    assert span.attributes == {"synthmill.job": job.name, "synthmill.job_type": "count", "synthmill.attempt": 2}


async def test_phases_are_spans_of_their_job_and_a_failed_job_is_marked(tmp_path, request_span, collector):
    async with running_engine(tmp_path) as engine:
        job = await asyncio.to_thread(engine.create, "pass_phases", {"phases": ["read", "write: 1", "write: 2"]})
        await events_of(engine, job.name)
        job = await asyncio.to_thread(engine.create, "refuse", {})
        await events_of(engine, job.name)
        await until(lambda: len(collector.spans()) == 4)
    found = {span.name: span for span in collector.spans()}
    assert set(found) == {"read", "write", "job pass_phases", "job refuse"}
    assert {found[name].parent for name in ("read", "write")} == {found["job pass_phases"].id}
    assert {name for name, span in found.items() if span.failed} == {"job refuse"}
    assert {span.trace for span in found.values()} == {TRACE}


async def test_job_without_a_request_s_trace_begins_one(tmp_path, collector):
    async with running_engine(tmp_path) as engine:
        job = await asyncio.to_thread(engine.create, "tell", {"times": 1})
        events = await events_of(engine, job.name)
        await until(collector.spans)
    (span,) = collector.spans()
    assert (span.name, span.parent) == ("job tell", "")
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
