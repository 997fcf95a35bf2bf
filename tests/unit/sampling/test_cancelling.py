"""Clients that go away or stand still: workers and memory are free at once, and nobody else waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from unit.sampling.serving import (
    FLOATS,
    SLOW,
    Service,
    active,
    computed,
    engine_of,
    floats_graph,
    metric,
    publish_all,
    serving,
    until,
)

from synthmill.runtime.tensors import from_batch
from synthmill.sampling.engine import Draw, Engine
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

MANY = 10**7
# With two workers: a chunk that is being sent, one for each worker, and one that is ready.
CHUNKS_HELD = 4


@pytest.fixture(scope="module")
async def service(tmp_path_factory) -> AsyncIterator[Service]:
    """A service that takes whatever it is asked for."""
    async with serving(tmp_path_factory.mktemp("service"), max_wait_s=1000.0, workers=2) as service:
        publish_all(service)
        yield service


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The graph of "floats", without the service."""
    return engine_of(floats_graph(width=500))


@pytest.mark.parametrize("way", ["cancel", "deadline", "connection"])
async def test_client_that_leaves_a_stream_frees_the_workers_within_a_batch(service, way):
    await service.client.sampling.load_model(SLOW)
    before = metric("sampling_cancelled_total", stage="stream")
    gc.disable()
    try:
        async with grpc.aio.insecure_channel(service.address) as channel:
            request = pb.StreamSamplesRequest(model=SLOW, count=MANY)
            call = SamplingServiceStub(channel).StreamSamples(request, timeout=0.8 if way == "deadline" else 60)
            await anext(aiter(call))
            assert active("StreamSamples") == 1
            if way == "cancel":
                call.cancel()
            if way == "deadline":
                with pytest.raises(grpc.aio.AioRpcError):
                    async for _chunk in call:
                        await asyncio.sleep(0.05)
        await until(lambda: not active("StreamSamples"), 5.0)
        await idle()
        loaded = await service.client.sampling.list_loaded_models()
        assert all(model.active_calls == 0 for model in loaded)
    finally:
        gc.enable()
    assert metric("sampling_cancelled_total", stage="stream") == before + 1


async def test_client_that_leaves_a_single_call_frees_the_workers_within_a_batch(service):
    await service.client.sampling.load_model(SLOW)
    calls = [asyncio.ensure_future(service.sample(SLOW, 1000)) for _ in range(4)]
    await until(lambda: active("Sample") == 4)
    await asyncio.sleep(0.05)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: not active("Sample"), 5.0)
    await idle()
    assert metric("sampling_queued_rows") == metric("sampling_queued_bytes") == 0


async def test_many_cancelled_streams_leave_nothing_behind(service):
    async def one(number: int) -> None:
        call = service.stream(FLOATS, MANY, seed=number)
        for _ in range(number % 3):
            await anext(aiter(call))
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call.code()

    await asyncio.gather(*(one(number) for number in range(60)))
    await until(lambda: not active("StreamSamples"), 5.0)
    assert metric("sampling_queued_rows") == metric("sampling_queued_bytes") == 0
    loaded = await service.client.sampling.list_loaded_models()
    assert all(model.active_calls == 0 for model in loaded)


async def idle() -> None:
    """Makes sure that no batch ends any more."""
    await asyncio.sleep(0.1)

    def batches() -> float:
        return sum(metric("sampling_batch_seconds_count", batch_size=str(4**power)) for power in range(6))

    before = batches()
    await asyncio.sleep(0.1)
    assert batches() == before


async def test_stalled_readers_are_bounded_and_do_not_hold_others_up(service, engine):
    await service.client.sampling.load_model(FLOATS)
    at_first, sent_at_first = computed(FLOATS), metric("sampling_send_seconds_count")
    channel = grpc.aio.insecure_channel(service.address)
    requests = [pb.StreamSamplesRequest(model=FLOATS, count=MANY, seed=seed) for seed in range(8)]
    stalled = [SamplingServiceStub(channel).StreamSamples(request) for request in requests]
    firsts = [await anext(aiter(call)) for call in stalled]
    # Until the network's own buffers are full, too.
    await settled(lambda: computed(FLOATS))
    before = computed(FLOATS)
    # The rest lies in the network: gRPC's own windows, which grow with what the connection can carry.
    sent = metric("sampling_send_seconds_count") - sent_at_first
    assert (before - at_first) / firsts[0].count - sent <= len(stalled) * CHUNKS_HELD
    assert metric("sampling_queued_bytes") <= len(stalled) * (4 << 20)
    latencies = []
    for seed in range(30):
        began = time.perf_counter()
        found = await service.sample(FLOATS, 8, seed=seed)
        latencies.append(time.perf_counter() - began)
        assert from_batch(found.batch)["z"].tobytes() == engine.sample(Draw(seed, np.arange(8)))["z"].tobytes()
    assert statistics.median(latencies) < 0.1
    healthy = [chunk.count async for chunk in service.stream(FLOATS, 20_000)]
    assert sum(healthy) == 20_000
    # What was computed meanwhile is what was asked for meanwhile.
    assert computed(FLOATS) - before == 30 * 8 + 20_000
    # They go on where they were.
    for seed, (call, first) in enumerate(zip(stalled, firsts, strict=True)):
        second = await anext(aiter(call))
        index = np.arange(first.count, first.count + second.count)
        assert from_batch(second.batch)["x"].tobytes() == engine.sample(Draw(seed, index))["x"].tobytes()
        call.cancel()
    await channel.close()
    await until(lambda: not active("StreamSamples"))


async def settled(value) -> None:
    """Waits until a value does not change any more."""
    seen, since = value(), time.monotonic()
    while time.monotonic() - since < 0.3:
        await asyncio.sleep(0.02)
        if value() != seen:
            seen, since = value(), time.monotonic()
