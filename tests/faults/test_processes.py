"""The sampling service in two processes, one of which is killed now and then: what it means as a whole stays."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from multiprocessing import shared_memory

import grpc
import numpy as np
import onnx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.graph.generators import LABELS, dense_generator
from unit.sampling.oip.calls import Calls, infer_request, set_parameters

from support.cluster import Cluster, ServiceProcess
from support.processes import is_alive, serving_processes, until
from support.studio import client_of, running_services
from synthmill.client import Client
from synthmill.runtime.errors import NotFound, Unavailable
from synthmill.runtime.status import from_rpc_error
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

MODEL, VERSION = "models/several", "models/several/versions/1"
FLAGS = ["--processes", "2", "--metrics-port", "0", "--system-shared-memory", "true", "--drain-grace-s", "5"]
# Connections to open so that none of two processes is left out but once in a million runs.
CONNECTIONS = 20
# More than the network holds while a reader rests.
COUNT = 100_000
TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("processes")
    with running_services(folder, "catalog", "sampling", flags={"sampling": FLAGS}) as cluster:
        onnx.save(dense_generator(8, 16, len(LABELS), finished=False), folder / "several.onnx")
        with client_of(cluster) as client:
            job = client.catalog.import_model(MODEL, folder / "several.onnx", kind="image", labels=LABELS)
            client.catalog.promote_model(client.jobs.wait(job.name).result, override_reason="this test")
        yield cluster


@pytest.fixture
def sampling(cluster) -> ServiceProcess:
    return cluster.services["sampling"]


@pytest.fixture
def client(cluster) -> Iterator[Client]:
    with client_of(cluster) as client:
        yield client


@pytest.fixture
def clients(cluster) -> Iterator[list[Client]]:
    """Clients with a connection each."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(client_of(cluster)) for _ in range(CONNECTIONS)]


@pytest.fixture
async def calls(sampling) -> list[Calls]:
    """Connections for the Open Inference Protocol."""
    async with contextlib.AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(sampling.address, options=options) for _ in range(CONNECTIONS)]
        yield [Calls(await stack.enter_async_context(channel)) for channel in channels]


def metric(sampling: ServiceProcess, name: str, **labels: str) -> dict[str, float]:
    """Returns the values of a metric by process."""
    with urllib.request.urlopen(f"http://{sampling.metrics}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == f"synthmill_{name}"]
    return {each.labels["process"]: each.value for each in samples if labels.items() <= each.labels.items()}


def kill(sampling: ServiceProcess, number: str) -> int:
    """Kills one of the processes and returns the id it had."""
    pid = serving_processes(sampling.pid)[int(number)]
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_for_return(sampling: ServiceProcess, pid: int) -> None:
    """Waits until another process is in the place of one that was killed, and serves."""
    until(lambda: not is_alive(pid))
    until(lambda: sum(metric(sampling, "process_up").values()) == 2 and len(serving_processes(sampling.pid)) == 2)


def test_every_process_computes_the_same_samples(sampling, clients):
    made = {client.sampling.sample(MODEL, 50, seed=3)["image"].tobytes() for client in clients}
    assert len(made) == 1
    assert min(metric(sampling, "sampling_samples_total", model=VERSION).values()) >= 50


def test_model_is_loaded_listed_and_unloaded_in_all_of_them_through_any(sampling, clients):
    with contextlib.suppress(NotFound):
        clients[0].sampling.unload_model(VERSION)
    assert metric(sampling, "sampling_loaded_models") == {"0": 0, "1": 0}
    assert clients[1].sampling.load_model(MODEL).model.name == VERSION
    assert metric(sampling, "sampling_loaded_models") == {"0": 1, "1": 1}
    assert {tuple(each.model.name for each in client.sampling.list_loaded_models()) for client in clients} == {
        (VERSION,)
    }
    clients[2].sampling.unload_model(VERSION)
    assert metric(sampling, "sampling_loaded_models") == {"0": 0, "1": 0}
    for client in clients:
        with pytest.raises(NotFound):
            client.sampling.unload_model(VERSION)
    # In one of them only: unloading does not fail for that.
    clients[0].sampling.sample(MODEL, 1)
    assert sorted(metric(sampling, "sampling_loaded_models").values()) == [0, 1]
    clients[1].sampling.unload_model(VERSION)
    assert clients[2].sampling.list_loaded_models() == []


def test_calls_in_progress_are_those_of_all_processes(sampling, clients):
    streams = [client.sampling.iter_batches(MODEL, 1 << 40) for client in clients[:6]]
    for stream in streams:
        next(stream)
    (loaded,) = clients[-1].sampling.list_loaded_models()
    assert loaded.active_calls == 6
    for stream in streams:
        stream.close()
    until(
        lambda: not sum(metric(sampling, "active_calls", method="/synthmill.v1.SamplingService/StreamSamples").values())
    )
    assert clients[0].sampling.list_loaded_models()[0].active_calls == 0


async def test_protocol_means_the_whole_service_too(calls):
    await calls[0].unary("RepositoryModelLoad", model_name="several")
    for each in calls:
        assert (await each.unary("ModelReady", name="several")).ready
        assert [model.state for model in (await each.unary("RepositoryIndex")).models] == ["READY"]
    for each in calls:
        await each.send("ModelInfer", infer_request("several", count=10))
    counted = set()
    for each in calls:
        (found,) = (await each.unary("ModelStatistics", name="several")).model_stats
        counted.add((found.inference_count, found.inference_stats.success.count))
    assert counted == {(10 * len(calls), len(calls))}
    await calls[1].unary("RepositoryModelUnload", model_name="several")
    for each in calls:
        assert not (await each.unary("RepositoryIndex", ready=True)).models
    with pytest.raises(NotFound):
        await calls[2].unary("RepositoryModelUnload", model_name="several")


async def test_shared_memory_is_known_to_all_and_to_one_that_has_begun_again(sampling, calls):
    count = 10
    size = count * 16 * 16
    memory = shared_memory.SharedMemory(f"several-{uuid.uuid4().hex}", create=True, size=size)
    try:
        await calls[0].unary("SystemSharedMemoryRegister", name="mine", key=memory.name, byte_size=size)
        request = infer_request("several", count=count, seed=5)
        set_parameters(
            request.outputs.add(name="image").parameters,
            {"shared_memory_region": "mine", "shared_memory_byte_size": size},
        )
        made = set()
        for again in range(2):
            for each in calls:
                memory.buf[:] = bytes(size)
                assert not (await each.send("ModelInfer", request)).raw_output_contents[0]
                made.add(bytes(memory.buf))
                assert list((await each.unary("SystemSharedMemoryStatus")).regions) == ["mine"]
            if not again:
                wait_for_return(sampling, kill(sampling, "0"))
        assert len(made) == 1
        await calls[1].unary("SystemSharedMemoryUnregister", name="mine")
        for each in calls:
            with pytest.raises(NotFound, match="no region"):
                await each.send("ModelInfer", request)
    finally:
        memory.close()
        memory.unlink()


def test_stream_of_a_process_that_is_killed_goes_on_to_the_same_bytes(sampling, client, clients):
    method = "/synthmill.v1.SamplingService/StreamSamples"
    client.sampling.load_model(MODEL)
    taken, killed = [], []
    for batch in client.sampling.iter_batches(MODEL, COUNT, batch_size=1000, seed=9):
        taken.append(batch)
        if len(taken) == 3:
            (number,) = [number for number, calls in metric(sampling, "active_calls", method=method).items() if calls]
            killed.append(kill(sampling, number))
            # Control calls do not fail for it, either.
            with Client(sampling_address=sampling.address) as other:
                assert [each.model.name for each in other.sampling.list_loaded_models()] == [VERSION]
                assert other.sampling.load_model(MODEL).model.name == VERSION
    assert [batch.first_index for batch in taken] == list(range(0, COUNT, 1000))
    again = client.sampling.iter_batches(MODEL, COUNT, batch_size=1000, seed=9)
    for first, second in zip(taken, again, strict=True):
        assert np.array_equal(first["image"], second["image"])
    assert "was ended by SIGKILL; it is started again" in sampling.log_tail(20_000)
    wait_for_return(sampling, killed[0])
    # It has loaded what the other one had before anybody asked it.
    assert metric(sampling, "sampling_loaded_models") == {"0": 1, "1": 1}
    for each in clients:
        each.sampling.sample(MODEL, 1)
    assert min(metric(sampling, "sampling_samples_total", model=VERSION).values()) >= 1
    assert metric(sampling, "process_restarts_total")[number] >= 1


def test_drain_ends_streams_of_all_processes_with_a_position_to_go_on_from(sampling):
    """The last one: it ends the service."""
    positions: list[tuple[int, int]] = []
    reading = threading.Barrier(9)

    def read(stub: SamplingServiceStub) -> None:
        received = 0
        try:
            for chunk in stub.StreamSamples(pb.StreamSamplesRequest(model=MODEL, count=1 << 40), timeout=TIMEOUT_S):
                if not received:
                    reading.wait(TIMEOUT_S)
                received = chunk.first_index + chunk.count
        except grpc.RpcError as error:
            told = from_rpc_error(error)
            if isinstance(told, Unavailable):
                positions.append((received, int(told.metadata["next_index"])))

    with contextlib.ExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [stack.enter_context(grpc.insecure_channel(sampling.address, options=options)) for _ in range(8)]
        readers = [threading.Thread(target=read, args=(SamplingServiceStub(channel),)) for channel in channels]
        for reader in readers:
            reader.start()
        reading.wait(TIMEOUT_S)
        assert sampling.stop() == 0
        for reader in readers:
            reader.join()
    assert len(positions) == 8
    assert all(received == position > 0 for received, position in positions)
