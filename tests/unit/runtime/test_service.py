"""A service process from start to drain, through its port alone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from support.toys import DEADLINE_S, SEARCH_PATH, Toy
from synthmill.runtime.channels import connect, connect_sync
from synthmill.runtime.errors import Internal, InvalidField, SynthmillError, Unavailable
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc

# gRPC stops its threads before a fork and starts them again after it, in parent and child.
SPAWNING = """
import asyncio, os
from pathlib import Path
import grpc
from support.toy_service import ToyConfig
from synthmill.runtime.service import Assembly, run_service

def threads():
    return {task.name for task in Path("/proc/self/task").iterdir() if "event_engine" in (task / "comm").read_text()}

async def spawn():
    server = grpc.aio.server()
    server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await asyncio.sleep(0.3)
    before = threads()
    await (await asyncio.create_subprocess_exec("true")).wait()
    await asyncio.sleep(0.3)
    print(len(before), len(before & threads()), flush=True)
    os._exit(0)

run_service(ToyConfig, lambda config, drain: Assembly([], start=[spawn]))
"""


@pytest.fixture
def toy(tmp_path):
    toy = Toy(tmp_path)
    yield toy
    if toy.process.poll() is None:
        toy.end()


@pytest.fixture
def stub(toy):
    with connect_sync(toy.address) as channel:
        yield catalog_service_pb2_grpc.CatalogServiceStub(channel)


def test_ready_line_says_where_it_serves(toy):
    assert (toy.ready["service"], toy.ready["state"]) == ("pipeline", "SERVING")
    with grpc.insecure_channel(toy.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "synthmill.v1.CatalogService"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_and_describes_the_service(toy):
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="synthmill.v1.CatalogService"),
    ]
    with grpc.insecure_channel(toy.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        listed, described = stub.ServerReflectionInfo(iter(requests), timeout=DEADLINE_S)
    names = {service.name for service in listed.list_services_response.service}
    assert {"synthmill.v1.CatalogService", "grpc.health.v1.Health"} <= names
    assert described.file_descriptor_response.file_descriptor_proto


def test_error_of_a_method_arrives_as_its_class_with_its_details(stub):
    with pytest.raises(InvalidField) as caught:
        stub.GetDataset(pb.GetDatasetRequest(name="refuse"), timeout=DEADLINE_S)
    assert caught.value.metadata == {"field": "name", "value": "refuse", "allowed": "anything else"}


def test_fault_of_a_method_is_logged_and_told_without_its_inside(toy, stub):
    with pytest.raises(Internal) as caught:
        stub.GetDataset(pb.GetDatasetRequest(name="break"), timeout=DEADLINE_S)
    assert "secret" not in str(caught.value)
    (line,) = [line for line in toy.lines() if "exception" in line]
    assert "secret" in line["exception"]
    assert line["request_id"] in str(caught.value)


def test_error_in_the_middle_of_a_stream_arrives_after_what_came_before(stub):
    seen = []
    with pytest.raises(InvalidField):
        for answer in stub.ReadRecords(pb.ReadRecordsRequest(name="refuse", count=5), timeout=DEADLINE_S):
            seen.append(answer.first_index)
    assert seen == [0, 1]


async def test_errors_of_asyncio_calls_are_the_same(toy):
    async with connect(toy.address) as channel:
        stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        assert (await stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S)).name == "hello"
        with pytest.raises(InvalidField, match="anything else"):
            await stub.GetDataset(pb.GetDatasetRequest(name="refuse"), timeout=DEADLINE_S)
        seen = []
        with pytest.raises(InvalidField, match="anything else"):
            async for answer in stub.ReadRecords(pb.ReadRecordsRequest(name="refuse", count=5), timeout=DEADLINE_S):
                seen.append(answer.first_index)
        assert seen == [0, 1]


def test_metrics_count_calls_by_code(toy, stub):
    for name in ("", "", "refuse"):
        with contextlib.suppress(SynthmillError):
            stub.GetDataset(pb.GetDatasetRequest(name=name), timeout=DEADLINE_S)
    text = urllib.request.urlopen(f"http://{toy.ready['metrics']}/metrics", timeout=DEADLINE_S).read().decode()
    prefix = 'synthmill_requests_total{code="%s",method="/synthmill.v1.CatalogService/GetDataset",service="pipeline"}'
    assert f"{prefix % 'OK'} 2.0" in text
    assert f"{prefix % 'INVALID_ARGUMENT'} 1.0" in text


def test_logs_are_json_with_the_request_id_of_the_caller(toy, stub):
    stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S, metadata=[("x-request-id", "request-of-mine")])
    toy.end()
    assert any(line.get("request_id") == "request-of-mine" for line in toy.lines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain_ends_streams_with_their_position_and_the_process_with_zero(toy, stub, number):
    seen = []
    with pytest.raises(Unavailable) as caught:
        for answer in stub.ReadRecords(pb.ReadRecordsRequest(name="slow", count=10_000), timeout=DEADLINE_S):
            seen.append(answer.first_index)
            if len(seen) == 10:
                toy.process.send_signal(number)
    assert caught.value.metadata["next_index"] == str(len(seen))
    assert toy.process.wait(DEADLINE_S) == 0
    toy.process.stdout.close()


def test_message_over_the_limit_is_refused_and_the_service_lives(toy, stub):
    with pytest.raises(SynthmillError) as caught:
        stub.GetDataset(pb.GetDatasetRequest(name="x" * 5 * 1024 * 1024), timeout=DEADLINE_S)
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S).name == "hello"


def test_flag_beats_environment_beats_file_beats_default(tmp_path):
    file = tmp_path / "toy.yaml"
    for flags, env, content, expected in (
        ([], {}, "{}", "hello"),
        ([], {}, "greeting: file", "file"),
        ([], {"SYNTHMILL_GREETING": "env"}, "greeting: file", "env"),
        (["--greeting", "flag"], {"SYNTHMILL_GREETING": "env"}, "greeting: file", "flag"),
    ):
        file.write_text(content)
        toy = Toy(tmp_path, "--config", str(file), *flags, env=env)
        try:
            with connect_sync(toy.address) as channel:
                stub = catalog_service_pb2_grpc.CatalogServiceStub(channel)
                assert stub.GetDataset(pb.GetDatasetRequest(), timeout=DEADLINE_S).name == expected
        finally:
            toy.end()


@pytest.mark.parametrize(
    ("flags", "env", "named"),
    [
        (["--metrics-port", "99999"], {}, "metrics_port"),
        (["--drain-grace-s", "nan"], {}, "--drain-grace-s"),
        ([], {"SYNTHMILL_LOG_LEVEL": "loud"}, "log_level"),
        (["--config", "missing.yaml"], {}, "missing.yaml"),
    ],
)
def test_bad_setting_stops_the_start_and_is_named(tmp_path, flags, env, named):
    toy = Toy(tmp_path, *flags, env=env)
    assert toy.process.wait(DEADLINE_S) == 2
    toy.process.stdout.close()
    assert named in toy.log.read_text()


def test_port_in_use_stops_the_start(tmp_path, toy):
    folder = tmp_path / "second"
    folder.mkdir()
    second = Toy(folder, "--port", toy.address.rpartition(":")[2])
    assert second.process.wait(DEADLINE_S) != 0
    second.process.stdout.close()
    assert not second.ready


def test_process_that_a_service_starts_does_not_fork_it(tmp_path):
    command = [sys.executable, "-c", SPAWNING, "--store", str(tmp_path), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": SEARCH_PATH}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    before, kept = map(int, done.stdout.split())
    assert before == kept > 0
