"""Loads of single requests, against a server that is slow, or refuses, as it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import numpy as np
import pytest

from synthmill.bench.sampling.unary import Mix, arrival_times, closed_loop, open_loop

MIX = Mix("/test.Service/Ask", [b"one", b"three"], [1, 3])

Answer = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Runs a server with one method."""
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", {"Ask": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def slow(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await asyncio.sleep(0.02)
    return request


async def test_closed_loop_counts_what_its_clients_wait_for():
    async with serving(slow) as address:
        found = await closed_loop(address, MIX, concurrency=4, warm_s=0.1, seconds=0.5)
    assert min(found["answered_us"]) >= 20_000
    assert 20 <= found["good"] <= 4 * 0.5 / 0.02
    assert found["good"] < found["samples"] < 3 * found["good"]
    assert (found["refused_us"], found["failed"]) == ([], {})


async def test_closed_loop_tells_refusals_and_failures_from_answers():
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await context.abort(
            grpc.StatusCode.RESOURCE_EXHAUSTED if request == b"one" else grpc.StatusCode.NOT_FOUND, "no"
        )

    async with serving(answer) as address:
        found = await closed_loop(address, MIX, concurrency=2, warm_s=0.0, seconds=0.3)
    assert found["answered_us"] == []
    assert found["good"] == 0
    assert len(found["refused_us"]) > 2
    assert found["failed"]["NOT_FOUND"] > 2


async def test_open_loop_does_not_wait_for_a_service_that_stands_still():
    """Requests that were due while the service stood still are as late as their place in the queue says.

    A load that waited for answers would have seen one slow request, and all others in time.
    """
    began: list[float] = []

    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        loop = asyncio.get_running_loop()
        began.append(loop.time())
        await asyncio.sleep(max(0.0, began[0] + 0.5 - loop.time()))
        return request

    async with serving(answer) as address:
        found = await open_loop(address, MIX, rate=200, seconds=1.0, seed=1)
    latencies_ms = np.sort(found["answered_us"]) / 1000
    assert len(latencies_ms) == found["offered"]
    assert (latencies_ms > 100).mean() > 0.25
    assert latencies_ms[-1] > 400


async def test_open_loop_sends_no_more_than_it_may_have_under_way():
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(1.5)
        return request

    async with serving(answer) as address:
        found = await open_loop(address, MIX, rate=400, seconds=0.4, max_in_flight=10)
    assert found["failed"]["UNSENT"] == found["offered"] - 10
    assert found["good"] == 0
    assert len(found["answered_us"]) == 10


async def test_late_answers_are_no_goodput():
    async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(0.3)
        return request

    async with serving(answer) as address:
        found = await open_loop(address, MIX, rate=100, seconds=0.6, seed=2)
    assert len(found["answered_us"]) == found["offered"]
    assert 0 < found["good"] < found["offered"]


def test_arrivals_are_a_poisson_process():
    times = np.array(arrival_times(1000, 20, seed=3))
    assert (np.diff(times) >= 0).all()
    assert len(times) == pytest.approx(20_000, rel=0.03)
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(0.001, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert arrival_times(1000, 20, seed=3) == times.tolist() != arrival_times(1000, 20, seed=4)
