"""How the services are doing, asked by a client: those that serve, and those that do not."""

from __future__ import annotations

import socket
import time

import pytest

from synthmill.client import AsyncClient, Client
from synthmill.client.addresses import SERVICES
from synthmill.client.status import NOT_SERVING, SERVING, UNREACHABLE
from synthmill.runtime.errors import PermissionDenied


@pytest.fixture
def silent():
    """Address of something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_all_services_answer_for_themselves(client, services):
    reports = client.status()
    assert [report.service for report in reports] == list(SERVICES)
    for report in reports:
        assert report.state == SERVING
        assert report.address == services.addresses[report.service]
        assert report.status == services.statuses[report.service].status
        assert 0 < report.latency_s < 3
        assert not report.error


async def test_asyncio_client_asks_the_same(async_client, services):
    reports = await async_client.status()
    assert [report.status for report in reports] == [services.statuses[name].status for name in SERVICES]


def test_service_that_does_not_serve_is_reported_beside_those_that_do(services, addresses, silent):
    services.statuses["catalog"].error = PermissionDenied("nobody may ask")
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"127.0.0.1:{free.getsockname()[1]}"
    with Client(**addresses | {"training_address": gone, "pipeline_address": silent}) as client:
        began = time.monotonic()
        reports = {report.service: report for report in client.status(timeout_s=2)}
        # All are asked at once.
        assert time.monotonic() - began < 4
    states = {service: report.state for service, report in reports.items()}
    assert states == dict.fromkeys(SERVICES, SERVING) | {
        "catalog": NOT_SERVING,
        "training": UNREACHABLE,
        "pipeline": UNREACHABLE,
    }
    assert reports["catalog"].error == "nobody may ask"
    assert gone in reports["training"].error
    assert reports["pipeline"].error == f"pipeline at {silent} has not answered within 2 s"
    assert reports["training"].status is None


async def test_asyncio_client_reports_what_does_not_serve(addresses, silent):
    async with AsyncClient(**addresses | {"sampling_address": silent}) as client:
        states = {report.service: report.state for report in await client.status(timeout_s=0.5)}
    assert states == dict.fromkeys(SERVICES, SERVING) | {"sampling": UNREACHABLE}
