"""Computing ahead: in order, bounded, and over at once when nobody listens any more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from synthmill.sampling.streaming import compute_ahead

PARTS = [range(first, first + 10) for first in range(0, 200, 10)]


@pytest.fixture
def executor():
    with ThreadPoolExecutor(2) as executor:
        yield executor


async def test_results_come_in_order(executor):
    def compute(part, stopped):
        time.sleep(0.001 * (part.start % 3))
        return part.start

    found = [each async for each in compute_ahead(PARTS, compute, executor, 2)]
    assert found == [part.start for part in PARTS]


async def test_slow_consumer_holds_the_work_back(executor):
    computed = []
    async with contextlib.aclosing(
        compute_ahead(PARTS, lambda part, stopped: computed.append(part.start), executor, 2)
    ) as results:
        async for _ in results:
            await asyncio.sleep(0.05)
            assert len(computed) <= 3
            break


async def test_consumer_that_leaves_stops_the_work_within_one_look(executor):
    running = threading.Semaphore(0)
    ended = []

    def compute(part, stopped):
        if part.start == 0:
            return 0
        running.release()
        while not stopped():
            time.sleep(0.001)
        ended.append(part.start)
        return part.start

    async def consume():
        async with contextlib.aclosing(compute_ahead(PARTS, compute, executor, 2)) as results:
            async for _ in results:
                pass

    task = asyncio.create_task(consume())
    await asyncio.to_thread(running.acquire)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended
    assert len(ended) <= 2


async def test_error_of_a_part_ends_the_stream_after_what_came_before(executor):
    def compute(part, stopped):
        if part.start == 50:
            raise ValueError("fifty")
        return part.start

    found = []
    with pytest.raises(ValueError, match="fifty"):
        async for each in compute_ahead(PARTS, compute, executor, 3):
            found.append(each)
    assert found == [0, 10, 20, 30, 40]
