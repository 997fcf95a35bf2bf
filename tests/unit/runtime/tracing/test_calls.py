"""Spans of calls, at the end that answers them and at the end that makes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import grpc
import pytest

from support.processes import until
from support.toys import DEADLINE_S, Toy
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "mine")]
SERVICE = "synthmill.v1.CatalogService"

# A program that traces, and calls the service in every way: with one answer and with a stream, blocking and not.
CALLS = """
import asyncio, contextlib, sys
from synthmill.runtime.channels import connect, connect_sync
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tracing.setting_up import set_up_tracing, shut_down
from synthmill.runtime.tracing.work import work_span
from synthmill.v1 import catalog_service_pb2 as pb, catalog_service_pb2_grpc

one, refused = pb.GetDatasetRequest(), pb.GetDatasetRequest(name="refuse")
some, more = pb.ReadRecordsRequest(count=3), pb.ReadRecordsRequest(name="slow", count=1000)

def block(stub):
    stub.GetDataset(one, timeout=20)
    with contextlib.suppress(InvalidField):
        stub.GetDataset(refused, timeout=20)
    assert len(list(stub.ReadRecords(some, timeout=20))) == 3
    left = stub.ReadRecords(more, timeout=20)
    next(left)
    left.cancel()

async def do_not_block(channel):
    stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    await stub.GetDataset(one, timeout=20)
    with contextlib.suppress(InvalidField):
        await stub.GetDataset(refused, timeout=20)
    assert len([answer async for answer in stub.ReadRecords(some, timeout=20)]) == 3
    left = stub.ReadRecords(more, timeout=20)
    async for _ in left:
        break
    left.cancel()

async def main():
    async with connect(sys.argv[1]) as channel:
        await do_not_block(channel)

assert set_up_tracing("program")
with work_span("blocking", {}, {}), connect_sync(sys.argv[1]) as channel:
    block(catalog_service_pb2_grpc.CatalogServiceStub(channel))
with work_span("not blocking", {}, {}):
    asyncio.run(main())
shut_down()
"""


@pytest.fixture
def stub(toy):
    """Calls without any of our own client's doing."""
    with grpc.insecure_channel(toy.address) as channel:
        yield catalog_service_pb2_grpc.CatalogServiceStub(channel)


def test_call_is_a_span_of_the_caller_s_trace(stub, spans):
    stub.GetDataset(pb.GetDatasetRequest(), metadata=GIVEN, timeout=DEADLINE_S)
    (span,) = spans(1)
    assert (span.service, span.name, span.kind) == ("synthmill-pipeline", f"{SERVICE}/GetDataset", "SERVER")
    assert (span.trace, span.parent, span.failed) == (TRACE, PARENT, False)
    assert span.attributes == {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": "GetDataset",
        "rpc.grpc.status_code": 0,
        "synthmill.request_id": "mine",
    }


def test_call_without_a_trace_begins_one(stub, spans):
    for _ in range(2):
        stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S)
    found = spans(2)
    assert not any(span.parent for span in found)
    assert len({span.trace for span in found}) == 2


@pytest.mark.parametrize(("name", "code", "is_fault"), [("refuse", 3, False), ("break", 13, True)])
def test_error_of_a_call_is_told_and_marked_if_it_is_the_service_s_fault(stub, spans, name, code, is_fault):
    with pytest.raises(grpc.RpcError):
        stub.GetDataset(pb.GetDatasetRequest(name=name), metadata=GIVEN, timeout=DEADLINE_S)
    (span,) = spans(1)
    assert (span.attributes["rpc.grpc.status_code"], span.failed) == (code, is_fault)


def test_stream_is_one_span_however_it_ends(toy, stub, spans):
    assert len(list(stub.ReadRecords(pb.ReadRecordsRequest(count=5), metadata=GIVEN, timeout=DEADLINE_S))) == 5
    with pytest.raises(grpc.RpcError):
        list(stub.ReadRecords(pb.ReadRecordsRequest(name="refuse", count=5), metadata=GIVEN, timeout=DEADLINE_S))
    left = stub.ReadRecords(pb.ReadRecordsRequest(name="slow", count=1000), metadata=GIVEN, timeout=DEADLINE_S)
    next(left)
    left.cancel()
    found = spans(3)
    assert {(span.name, span.trace, span.parent) for span in found} == {(f"{SERVICE}/ReadRecords", TRACE, PARENT)}
    assert sorted(span.attributes["rpc.grpc.status_code"] for span in found) == [0, 1, 3]
    assert not [line for line in toy.lines() if line["level"] == "error"]


def test_lines_of_the_log_have_the_trace(toy, stub):
    stub.GetDataset(pb.GetDatasetRequest(), metadata=GIVEN, timeout=DEADLINE_S)
    list(stub.ReadRecords(pb.ReadRecordsRequest(count=1), metadata=GIVEN, timeout=DEADLINE_S))
    with pytest.raises(grpc.RpcError):
        stub.GetDataset(pb.GetDatasetRequest(name="break"), metadata=GIVEN, timeout=DEADLINE_S)

    def lines() -> list[dict]:
        return [line for line in toy.lines() if line.get("request_id") == "mine"]

    # The last one is written when the caller has its answer.
    until(lambda: len(lines()) == 4)
    assert {line["trace_id"] for line in lines()} == {TRACE}
    assert not any("trace_id" in line for line in toy.lines() if line["message"].startswith("serving"))


def test_spans_are_sent_before_the_service_ends(tmp_path, collector):
    toy = Toy(tmp_path, env={**collector.env, "OTEL_BSP_SCHEDULE_DELAY": "60000"})
    with grpc.insecure_channel(toy.address) as channel:
        stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S)
    assert toy.end() == 0
    assert [span.name for span in collector.spans()] == [f"{SERVICE}/GetDataset"]


def test_collector_that_is_away_keeps_a_service_from_nothing(tmp_path):
    toy = Toy(tmp_path, env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY": "50"})
    with grpc.insecure_channel(toy.address) as channel:
        stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        for _ in range(3):
            assert stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S).name == "hello"
            time.sleep(0.1)
    began = time.monotonic()
    assert toy.end() == 0
    assert time.monotonic() - began < 8
    assert any("export" in line["message"] for line in toy.lines())


def test_calls_that_are_made_are_spans_and_go_on_at_the_other_end(toy, collector):
    subprocess.run(
        [sys.executable, "-c", CALLS, toy.address], check=True, env={**os.environ, **collector.env}, timeout=60
    )
    until(lambda: len(collector.spans()) == 18)
    spans = collector.spans()
    for name in ("blocking", "not blocking"):
        (root,) = [span for span in spans if span.name == name]
        calls = [span for span in spans if span.kind == "CLIENT" and span.parent == root.id]
        codes = [(span.name.rpartition("/")[2], span.attributes["rpc.grpc.status_code"]) for span in calls]
        assert sorted(codes) == [("GetDataset", 0), ("GetDataset", 3), ("ReadRecords", 0), ("ReadRecords", 1)]
        assert all(span.failed == (span.attributes["rpc.grpc.status_code"] != 0) for span in calls)
        for call in calls:
            (answered,) = [span for span in spans if span.parent == call.id]
            assert (answered.kind, answered.trace, answered.name) == ("SERVER", root.trace, call.name)
            assert answered.attributes["rpc.grpc.status_code"] == call.attributes["rpc.grpc.status_code"]
