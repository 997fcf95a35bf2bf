"""A call that makes another one hands on what is left of its time, and takes it along when it is given up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import grpc
import pytest

from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.channels import connect
from synthmill.runtime.deadlines import begin_shared
from synthmill.runtime.drain import Drain
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc as pb_grpc
from synthmill.v1 import dataset_pb2

ASK = pb.GetDatasetRequest(name="any")


class Inner(pb_grpc.CatalogServiceServicer):
    """Notes how long it may take, and then takes for ever if it is asked to."""

    def __init__(self) -> None:
        self.left_s: list[float | None] = []
        self.given_up = asyncio.Event()

    async def GetDataset(self, request, context):
        self.left_s.append(context.time_remaining())
        if request.name == "stuck":
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.set()
        return dataset_pb2.Dataset()


class Outer(pb_grpc.CatalogServiceServicer):
    """Answers by asking another service, which it would give 30 s."""

    def __init__(self, asked: grpc.aio.Channel, start: Callable) -> None:
        self._asked, self._start = pb_grpc.CatalogServiceStub(asked), start

    async def GetDataset(self, request, context):
        async def ask():
            return await self._asked.GetDataset(request, timeout=30)

        return await self._start(ask())


@contextlib.asynccontextmanager
async def serving(servicer: pb_grpc.CatalogServiceServicer) -> AsyncIterator[str]:
    server = grpc.aio.server()
    pb_grpc.add_CatalogServiceServicer_to_server(servicer, ObservedServer(server, "pipeline", Drain()))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def chain(start: Callable = asyncio.ensure_future) -> AsyncIterator[tuple[Inner, pb_grpc.CatalogServiceStub]]:
    """Runs a service that asks another one."""
    inner = Inner()
    async with contextlib.AsyncExitStack() as stack:
        asked = await stack.enter_async_context(connect(await stack.enter_async_context(serving(inner))))
        address = await stack.enter_async_context(serving(Outer(asked, start)))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        yield inner, pb_grpc.CatalogServiceStub(channel)


async def test_deadline_is_handed_on():
    async with chain() as (inner, stub):
        await stub.GetDataset(ASK, timeout=5)
        await stub.GetDataset(ASK, timeout=300)
        await stub.GetDataset(ASK)
    short, long, none = inner.left_s
    # gRPC rounds up.
    assert 3 < short < 6
    assert 25 < long < 31
    assert 25 < none < 31


async def test_shared_work_has_a_time_of_its_own():
    async with chain(begin_shared) as (inner, stub):
        await stub.GetDataset(ASK, timeout=5)
    assert inner.left_s[0] > 25


async def test_call_that_is_given_up_takes_those_it_made_along():
    async with chain() as (inner, stub):
        call = stub.GetDataset(pb.GetDatasetRequest(name="stuck"))
        while not inner.left_s:
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(inner.given_up.wait(), 10)


async def test_call_whose_time_is_up_takes_those_it_made_along():
    async with chain() as (inner, stub):
        with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
            await stub.GetDataset(pb.GetDatasetRequest(name="stuck"), timeout=0.5)
        await asyncio.wait_for(inner.given_up.wait(), 10)
