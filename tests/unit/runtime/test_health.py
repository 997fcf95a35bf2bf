"""The health of a service, on a server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthmill.runtime.channels import connect
from synthmill.runtime.errors import NotFound
from synthmill.runtime.health import Health, add_health

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
NAME = "synthmill.v1.CatalogService"
DEADLINE_S = 20.0


@pytest.fixture
async def health() -> Health:
    return Health()


@pytest.fixture
async def stub(health) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    server = grpc.aio.server()
    add_health(health, server, "catalog")
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with connect(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    await server.stop(None)


def asked(name: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


async def test_process_serves_and_so_does_each_name_that_is_set(health, stub):
    await health.set(NAME, SERVING)
    for name in ("", NAME):
        assert (await stub.Check(asked(name), timeout=DEADLINE_S)).status == SERVING


async def test_name_that_nobody_serves_under_is_not_found(stub):
    with pytest.raises(NotFound, match="serves none"):
        await stub.Check(asked("other"), timeout=DEADLINE_S)


async def test_all_names_are_told_at_once(health, stub):
    await health.set(NAME, NOT_SERVING)
    answer = await stub.List(health_pb2.HealthListRequest(), timeout=DEADLINE_S)
    assert {name: each.status for name, each in answer.statuses.items()} == {"": SERVING, NAME: NOT_SERVING}


async def test_watcher_hears_of_each_change_and_of_no_other(health, stub):
    call = stub.Watch(asked(NAME), timeout=DEADLINE_S)
    heard = [(await call.read()).status]
    await health.set("other", SERVING)
    for status in (SERVING, NOT_SERVING):
        await health.set(NAME, status)
        heard.append((await call.read()).status)
    assert heard == [UNKNOWN, SERVING, NOT_SERVING]
    call.cancel()


async def test_many_watchers_hear_of_the_shutdown_after_which_nothing_changes(health, stub):
    calls = [stub.Watch(asked(""), timeout=DEADLINE_S) for _ in range(20)]
    assert {(await call.read()).status for call in calls} == {SERVING}
    await health.enter_graceful_shutdown()
    assert {answer.status for answer in await asyncio.gather(*(call.read() for call in calls))} == {NOT_SERVING}
    await health.set("", SERVING)
    assert (await stub.Check(asked(""), timeout=DEADLINE_S)).status == NOT_SERVING
    for call in calls:
        call.cancel()
