"""What a process tells of itself, and what several make of it together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from support.cluster import ServiceProcess, children_of
from support.processes import until
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.reporting.combining import SHARED, status_together
from synthmill.runtime.reporting.resident import descendants, resident_bytes
from synthmill.v1 import status_pb2, status_service_pb2_grpc
from synthmill.v1 import status_service_pb2 as pb
from synthmill.v1.sampling_service_pb2 import LoadedModel

MEMORY_BYTES = 100_000_000


def status_of(process: ServiceProcess) -> status_pb2.ServiceStatus:
    with connect_sync(process.address) as channel:
        stub = status_service_pb2_grpc.StatusServiceStub(channel)
        return stub.GetStatus(pb.GetStatusRequest(), timeout=20)


@pytest.fixture(scope="module", params=[1, 2], ids=["one-process", "two-processes"])
def sampling(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("status")
    process = ServiceProcess("sampling", folder, folder / "log", ["--processes", str(request.param)], {})
    process.start()
    yield process, request.param
    process.kill()


def test_service_tells_of_all_its_processes(sampling):
    process, count = sampling
    status = status_of(process)
    assert (status.service, status.version) == ("sampling", version("synthmill"))
    assert [each.number for each in status.processes] == list(range(count))
    pids = {process.pid} if count == 1 else set(children_of(process.pid))
    assert {each.pid for each in status.processes} == pids
    for each in status.processes:
        assert 0 <= time.time() - each.start_time.seconds < 60
        assert 10_000_000 < each.resident_bytes < 10_000_000_000
        assert each.worker_bytes == 0
    assert {gauge.name: gauge.value for gauge in status.gauges} == {
        "active_calls": 0,
        "active_streams": 0,
        "queued_samples": 0,
        "queued_bytes": 0,
    }


def test_memory_of_a_process_and_of_what_it_has_started_is_known():
    # A process that starts another one, which holds memory until its input ends.
    hold = f"import sys; held = b'x' * {MEMORY_BYTES}; print(flush=True); sys.stdin.read()"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (child,) = descendants(process.pid)
        assert {process.pid, child} <= set(descendants(os.getpid()))
        assert MEMORY_BYTES < resident_bytes(child) < 2 * MEMORY_BYTES
        assert 0 < resident_bytes(process.pid) < MEMORY_BYTES
        process.stdin.close()
        process.wait(20)
    until(lambda: not resident_bytes(child))


def test_together_adds_up_what_is_of_a_process_and_takes_what_is_of_the_service_once():
    def answer(number: int) -> status_pb2.ServiceStatus:
        status = status_pb2.ServiceStatus(service="sampling", version="1")
        status.processes.add(number=number, pid=100 + number)
        status.gauges.add(name="queued_samples", value=5, unit="samples")
        loaded = LoadedModel(provider="CPUExecutionProvider", active_calls=1, memory_bytes=10)
        loaded.model.name = "models/m/versions/1"
        status.loaded_models.append(loaded)
        status.devices.add(id="GPU-1", memory_used_bytes=7)
        status.job_queues.add(type="train", pending=2)
        return status

    together = status_together([answer(1), answer(0)])
    assert [process.pid for process in together.processes] == [100, 101]
    assert [(gauge.name, gauge.value, gauge.unit) for gauge in together.gauges] == [("queued_samples", 10, "samples")]
    (loaded,) = together.loaded_models
    assert (loaded.active_calls, loaded.memory_bytes) == (2, 20)
    assert [device.id for device in together.devices] == ["GPU-1"]
    assert [queue.pending for queue in together.job_queues] == [2]
    assert status_together([answer(0)]) == answer(0)


def test_shared_method_is_the_service_s_with_that_answer():
    (method,) = pb.DESCRIPTOR.services_by_name["StatusService"].methods
    assert {method.name: method.output_type} == {name: shared.answer.DESCRIPTOR for name, shared in SHARED.items()}
