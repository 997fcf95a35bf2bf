"""Fake services for the tests of this folder, and clients of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit.client.fakes.server import FakeServices, running_services

from synthmill.client import AsyncClient, Client, RetryPolicy, Settings

QUICK = Settings(
    timeout_s=20, stream_timeout_s=20, retry=RetryPolicy(max_tries=4, first_pause_s=0.01, longest_pause_s=0.02)
)
"""Retries without long pauses."""


@pytest.fixture
def services() -> Iterator[FakeServices]:
    with running_services() as services:
        yield services


@pytest.fixture
def addresses(services) -> dict[str, str]:
    """Addresses of the fake services, as arguments of a client."""
    return {f"{service}_address": address for service, address in services.addresses.items()}


@pytest.fixture
def client(addresses) -> Iterator[Client]:
    with Client(**addresses, settings=QUICK) as client:
        yield client


@pytest.fixture
async def async_client(addresses):
    async with AsyncClient(**addresses, settings=QUICK) as client:
        yield client
