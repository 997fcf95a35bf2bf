"""Tiny urgent work, which the event loop computes itself: together where it can, and without holding the loop up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator

import pytest
from unit.sampling.recording import BULK, URGENT, RecordingEngine, answer, work
from unit.sampling.serving import metric

from synthmill.sampling.scheduler import Scheduler


@contextlib.asynccontextmanager
async def running(delay_s: float = 0.0, *, together: bool = True) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(1, delay_s, together=together)
    try:
        yield scheduler
    finally:
        await scheduler.stop()


async def test_loop_computes_small_requests_and_leaves_large_ones_to_the_workers():
    engine = RecordingEngine(inline=True)
    async with running() as scheduler:
        assert await scheduler.run(work(engine, 1, URGENT)) == answer(1, URGENT)
        assert engine.threads == {threading.current_thread().name}
        assert await scheduler.run(work(engine, 2, BULK)) == answer(2, BULK)
        assert engine.threads == {threading.current_thread().name, "sampling-0"}
    assert engine.released == 2


async def test_requests_of_one_moment_are_computed_together():
    engine = RecordingEngine(inline=True)
    async with running() as scheduler:
        counts = [1, 3, 2, 5]
        found = await asyncio.gather(*(scheduler.run(work(engine, seed, count)) for seed, count in enumerate(counts)))
        assert found == [answer(seed, count) for seed, count in enumerate(counts)]
        assert engine.groups == [[0, 1, 2, 3]]


async def test_requests_are_computed_one_by_one_where_they_share_nothing():
    engine = RecordingEngine(inline=True)
    async with running(delay_s=10.0, together=False) as scheduler:
        works = [scheduler.submit(work(engine, seed, count)) for seed, count in enumerate([1, 3, 2])]
        assert await asyncio.gather(*(each.future for each in works)) == [answer(0), answer(1, 3), answer(2, 2)]
        assert engine.groups == [[0], [1], [2]]


async def test_groups_are_no_larger_than_what_makes_a_batch_efficient_and_of_one_kind():
    one, other = RecordingEngine(inline=True), RecordingEngine(inline=True)
    async with running() as scheduler:
        works = [scheduler.submit(work(one, seed, 6)) for seed in range(5)]
        works += [scheduler.submit(work(other, 5)), scheduler.submit(work(one, 6, truncated=True))]
        await asyncio.gather(*(each.future for each in works))
        assert sorted(one.groups) == [[0, 1], [2, 3], [4], [6]]
        assert other.groups == [[5]]


async def test_tenants_take_turns():
    engine = RecordingEngine(inline=True)
    async with running() as scheduler:
        works = [scheduler.submit(work(engine, seed, URGENT, "crowd")) for seed in range(9)]
        works.append(scheduler.submit(work(engine, 99, 1, "lone")))
        await asyncio.gather(*(each.future for each in works))
        assert [99] in engine.groups[:2]


async def test_errors_hurt_their_own_request_only():
    engine = RecordingEngine(inline=True)

    def fail(*_arguments):
        raise ValueError("no")

    async with running() as scheduler:
        works = [work(engine, 1), work(engine, 2, pack=fail), work(engine, 3, draw=fail), work(engine, 4)]
        found = await asyncio.gather(*map(scheduler.run, works), return_exceptions=True)
        assert (found[0], found[3]) == (answer(1), answer(4))
        assert [repr(each) for each in found[1:3]] == ["ValueError('no')"] * 2
        assert engine.groups == [[1, 2, 4]]
        engine.error = RuntimeError("out of memory")
        with pytest.raises(RuntimeError, match="out of memory"):
            await scheduler.run(work(engine, 5))
        engine.error = None
        assert await scheduler.run(work(engine, 6)) == answer(6)


async def test_request_that_nobody_waits_for_is_not_computed():
    engine = RecordingEngine(inline=True)
    async with running() as scheduler:
        before = metric("sampling_cancelled_total", stage="queue")
        gone, kept = (scheduler.submit(work(engine, seed)) for seed in (1, 2))
        gone.abandon()
        assert await kept.future == answer(2)
        assert engine.groups == [[2]]
        assert metric("sampling_cancelled_total", stage="queue") - before == 1


async def test_loop_looks_after_others_between_groups():
    engine = RecordingEngine(inline=True)
    turns = []

    def slow(drawn, start, stop):
        time.sleep(0.003)
        turns.append("group")

    async def other() -> None:
        while len(turns) < 40:
            turns.append("other")
            await asyncio.sleep(0)

    async with running() as scheduler:
        works = [scheduler.submit(work(engine, seed, URGENT, pack=slow)) for seed in range(8)]
        await asyncio.wait_for(asyncio.gather(other(), *(each.future for each in works)), 10.0)
        last = len(turns) - turns[::-1].index("group")
        # Eight groups of 3 ms: never two of them without a look at the rest.
        assert "groupgroup" not in "".join(turns[:last])


async def test_few_requests_wait_for_others_for_the_delay():
    engine = RecordingEngine(inline=True)
    async with running(delay_s=0.3) as scheduler:
        began = time.perf_counter()
        first = scheduler.submit(work(engine, 1))
        await asyncio.sleep(0.05)
        second = scheduler.submit(work(engine, 2))
        assert await asyncio.gather(first.future, second.future) == [answer(1), answer(2)]
        assert 0.3 <= time.perf_counter() - began < 5.0
        assert engine.groups == [[1, 2]]
        began = time.perf_counter()
        await asyncio.gather(*(scheduler.run(work(engine, seed, URGENT // 4)) for seed in range(4)))
        assert time.perf_counter() - began < 0.25
        assert len(engine.groups) == 2


async def test_loop_rests_while_requests_are_gathered():
    async with running(delay_s=0.5) as scheduler:
        began_s = time.thread_time()
        await scheduler.run(work(RecordingEngine(inline=True), 1))
        assert time.thread_time() - began_s < 0.1


async def test_urgent_counts_as_urgent_in_the_metrics():
    engine = RecordingEngine(inline=True)
    async with running() as scheduler:
        before = metric("sampling_queue_seconds_count", priority="urgent")
        await asyncio.gather(*(scheduler.run(work(engine, seed)) for seed in range(3)))
        assert metric("sampling_queue_seconds_count", priority="urgent") - before == 3
