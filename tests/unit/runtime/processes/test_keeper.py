"""One of the processes, as the front holds it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry
from unit.runtime.processes.conftest import SEARCH_PATH

from support.processes import is_alive, serving_processes
from support.toy_processes import ToyConfig
from synthmill.runtime.processes.child import Order
from synthmill.runtime.processes.keeper import Keeper, ProcessMetrics
from synthmill.runtime.processes.port import reserved_port


@pytest.fixture
async def keeper(tmp_path, monkeypatch) -> AsyncIterator[Keeper]:
    """A process that serves."""
    monkeypatch.setenv("PYTHONPATH", SEARCH_PATH)
    config = ToyConfig(store=str(tmp_path), processes=2)
    with reserved_port("127.0.0.1", 0) as port:
        order = Order.make(config, "support.toy_processes:build", 1, port, str(tmp_path))
        keeper = Keeper(order, ProcessMetrics(CollectorRegistry()))
        await keeper.start()
        yield keeper
        await keeper.stop(0.0)


async def test_process_that_does_not_end_when_asked_is_ended(keeper):
    pid = serving_processes(os.getpid())[1]
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    await keeper.stop(0.5)
    assert 0.5 <= time.monotonic() - began < 3
    assert not is_alive(pid)


async def test_process_that_has_ended_needs_no_end(keeper):
    await keeper.stop(10.0)
    await keeper.stop(10.0)
    assert not serving_processes(os.getpid())
