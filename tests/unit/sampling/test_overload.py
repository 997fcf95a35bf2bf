"""The service under load: turns, overload, shutdown, new versions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from unit.graph.generators import LABELS
from unit.sampling.serving import (
    FLOATS,
    SHAPES,
    SLOW,
    FakeCatalog,
    active,
    dense,
    engine_of,
    floats_graph,
    metric,
    publish_all,
    refusal,
    serving,
    slow_graph,
    until,
)

from synthmill.client import AsyncClient
from synthmill.runtime import errors
from synthmill.runtime.status import DETAILS_KEY, from_rpc_error
from synthmill.runtime.tensors import from_batch
from synthmill.sampling.engine import Draw, Engine

MANY = 10**7


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The graph of "floats", without the service."""
    return engine_of(floats_graph(width=500))


@pytest.mark.parametrize("delay_ms", [0.0, 20.0])
async def test_concurrent_small_requests_get_their_own_answers(tmp_path, engine, delay_ms):
    right = [engine.sample(Draw(seed, np.arange(56)))["x"] for seed in range(40)]
    async with serving(tmp_path, batch_delay_ms=delay_ms) as service:
        service.publish(floats_graph(width=500), "floats/versions/1")
        await service.client.sampling.load_model(FLOATS)
        before = [metric(f"sampling_batch_requests_{part}") for part in ("sum", "count")]

        async def client(number: int) -> None:
            for turn in range(5):
                start, count = 10 * turn, 1 + (number + turn) % 4
                found = await service.sample(FLOATS, count, seed=number, start_index=start)
                assert from_batch(found.batch)["x"].tobytes() == right[number][start : start + count].tobytes()

        await asyncio.gather(*(client(number) for number in range(40)))
        requests, groups = (metric(f"sampling_batch_requests_{part}") for part in ("sum", "count"))
    assert requests - before[0] == 200
    if delay_ms:
        assert groups - before[1] < 60


@pytest.mark.parametrize("named", [True, False], ids=["named tenants", "one connection"])
async def test_tenants_take_turns(tmp_path, named):
    async with serving(tmp_path, max_wait_s=1000.0, workers=1) as service:
        service.publish(slow_graph(2), "slow/versions/1")
        await service.client.sampling.load_model(SLOW)
        order = []

        async def ask(tenant: str) -> None:
            await service.sample(SLOW, 60, tenant=tenant if named else "")
            order.append(tenant)

        crowd = [asyncio.create_task(ask("crowd")) for _ in range(12)]
        # Some may have their answers already.
        await until(lambda: active("Sample") + len(order) == 12)
        before = len(order)
        await ask("lone")
        await asyncio.gather(*crowd)
    # By name the lone one is served after what is under way; without one it is at the end of its connection's queue.
    assert order.index("lone") <= before + 3 if named else order[-1] == "lone"


async def test_tenant_of_many_connections_has_one_turn(tmp_path):
    async with serving(tmp_path, max_wait_s=1000.0, workers=1) as service, contextlib.AsyncExitStack() as stack:
        service.publish(slow_graph(2), "slow/versions/1")
        await service.client.sampling.load_model(SLOW)
        order = []

        async def ask(tenant: str) -> None:
            client = await stack.enter_async_context(AsyncClient(sampling_address=service.address, tenant=tenant))
            await client.sampling.sample(SLOW, 60)
            order.append(tenant)

        crowd = [asyncio.create_task(ask("crowd")) for _ in range(12)]
        await until(lambda: active("Sample") + len(order) == 12)
        before = len(order)
        await ask("lone")
        await asyncio.gather(*crowd)
    assert order.index("lone") <= before + 3


async def test_overload_is_told_at_once_with_a_time_to_come_back_and_not_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, max_wait_s=0.2, workers=1) as service:
        service.publish(slow_graph(), "slow/versions/1")
        await service.client.sampling.load_model(SLOW)
        taken, refused, latencies = [], [], []

        async def ask() -> None:
            began = time.perf_counter()
            try:
                taken.append((await service.sample(SLOW, 100)).count)
            except grpc.aio.AioRpcError as error:
                latencies.append(time.perf_counter() - began)
                refused.append(error)

        asking = [asyncio.create_task(ask()) for _ in range(30)]
        await until(lambda: refused)
        with pytest.raises(errors.Overloaded) as told:
            await service.client.sampling.sample(SLOW, 100)
        assert told.value.retry_after_s > 0
        await asyncio.gather(*asking)
        assert taken == [100] * len(taken)
        assert len(taken) >= 2
        assert len(refused) >= 10
        assert statistics.median(latencies) < 0.2
        for error in refused:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            status = status_pb2.Status.FromString(dict(error.trailing_metadata())[DETAILS_KEY])
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            assert status.details[0].Unpack(info)
            assert info.reason == "OVERLOADED"
            assert status.details[1].Unpack(retry)
            assert retry.retry_delay.ToMilliseconds() >= 50
        assert "RESOURCE_EXHAUSTED" not in caplog.text
        assert (await service.sample(SLOW, 100)).count == 100


async def test_streams_beyond_the_memory_are_refused_until_one_ends(tmp_path):
    async with serving(tmp_path, answer_memory_mb=5, workers=1) as service:
        publish_all(service)
        await service.client.sampling.load_model(FLOATS)
        first = service.stream(FLOATS, MANY, chunk_bytes=1 << 20)
        await anext(aiter(first))
        error = await refusal(anext(aiter(service.stream(FLOATS, MANY, chunk_bytes=1 << 20))))
        assert isinstance(error, errors.Overloaded)
        # A short one still fits.
        assert (await service.sample(FLOATS, 1)).count == 1
        first.cancel()
        await until(lambda: not active("StreamSamples"))
        second = service.stream(FLOATS, MANY, chunk_bytes=1 << 20)
        assert (await anext(aiter(second))).first_index == 0
        second.cancel()


async def test_drain_ends_streams_with_the_next_index(tmp_path):
    async with serving(tmp_path) as service:
        publish_all(service)
        call = service.stream(FLOATS, MANY, start_index=100)
        received = (await anext(aiter(call))).count
        service.drain.begin()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for chunk in call:
                received += chunk.count
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert from_rpc_error(caught.value).metadata["next_index"] == str(100 + received)
        error = await refusal(service.sample(FLOATS, 1))
        assert isinstance(error, errors.Unavailable)


async def test_stream_that_was_drained_is_taken_up_by_the_client_with_nothing_twice(tmp_path, engine):
    count = 40_000
    catalog = FakeCatalog()
    async with contextlib.AsyncExitStack() as first_life, contextlib.AsyncExitStack() as second_life:
        service = await first_life.enter_async_context(serving(tmp_path, catalog))
        publish_all(service)
        client = await second_life.enter_async_context(AsyncClient(sampling_address=service.address))
        received = []
        async for batch in client.sampling.iter_batches(FLOATS, count, seed=8):
            received.append(batch)
            if len(received) == 3:
                service.drain.begin()
                await first_life.aclose()
                port = int(service.address.rpartition(":")[2])
                # A promotion meanwhile changes nothing: the stream is fixed to its version.
                await second_life.enter_async_context(serving(tmp_path, catalog, port))
                service.publish(floats_graph(width=500, latent=7), "floats/versions/2")
    assert sum(batch.count for batch in received) == count
    joined = b"".join(batch["x"].tobytes() for batch in received)
    assert joined == engine.sample(Draw(8, np.arange(count)))["x"].tobytes()


async def test_swap_under_load_fails_nobody_and_no_stream_changes_its_version(tmp_path):
    async with serving(tmp_path, fresh_s=0.02) as service:
        versions = {service.publish(dense(1), "shapes/versions/1", LABELS).digest: 1}
        await service.client.sampling.load_model(SHAPES)
        seen = []
        swapping = True

        async def streams() -> None:
            while swapping:
                digests = {chunk.model_digest async for chunk in service.stream(SHAPES, 30_000, chunk_bytes=1)}
                assert len(digests) == 1
                seen.append(versions[digests.pop()])

        async def samples() -> None:
            while swapping:
                seen.append(versions[(await service.sample(SHAPES, 3)).model_digest])

        callers = [asyncio.create_task(each()) for each in (streams, streams, samples, samples)]
        for number in range(2, 6):
            model = service.publish(dense(number), f"shapes/versions/{number}", LABELS)
            versions[model.digest] = number
            await until(lambda number=number: number in seen)
        swapping = False
        await asyncio.gather(*callers)
        assert set(seen) == {1, 2, 3, 4, 5}
