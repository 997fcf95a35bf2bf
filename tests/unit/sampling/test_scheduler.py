"""Who is computed when, with whom, and what happens when something goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator

import pytest
from unit.sampling.recording import BULK, URGENT, RecordingEngine, answer, occupied, work
from unit.sampling.serving import metric, until

from synthmill.sampling.scheduler import Scheduler


@contextlib.asynccontextmanager
async def running(workers: int = 1, delay_s: float = 0.0, *, together: bool = True) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(workers, delay_s, together=together)
    try:
        yield scheduler
    finally:
        await scheduler.stop()


def workers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("sampling-")}


async def answers(works) -> list:
    """Waits for the answers of works, in their order; an error stands for itself."""
    return await asyncio.gather(*(each.future for each in works), return_exceptions=True)


async def test_answer_is_what_pack_makes_in_a_worker():
    engine = RecordingEngine()
    seen = []

    def pack(drawn, start, stop):
        seen.append((threading.current_thread().name, engine.released))
        return len(drawn[start:stop])

    async with running() as scheduler:
        assert await scheduler.run(work(engine, 1, 5, pack=pack)) == 5
        await until(lambda: engine.released == 1)
    # Packed before the memory is given back.
    assert seen == [("sampling-0", 0)]


async def test_small_requests_that_wait_are_computed_together_and_each_has_its_own_answer():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed, count)) for seed, count in enumerate([1, 3, 2, 5], 1)]
        before = metric("sampling_batch_requests_sum")
        first.open()
        assert await answers(works) == [answer(seed, count) for seed, count in enumerate([1, 3, 2, 5], 1)]
        assert engine.groups == [[1, 2, 3, 4]]
        assert metric("sampling_batch_requests_sum") - before == 4


async def test_requests_are_computed_one_by_one_where_they_share_nothing():
    engine = RecordingEngine()
    async with running(delay_s=10.0, together=False) as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed, count)) for seed, count in enumerate([1, 3, 2], 1)]
        first.open()
        assert await answers(works) == [answer(1), answer(2, 3), answer(3, 2)]
        assert engine.groups == [[1], [2], [3]]


async def test_no_group_is_larger_than_what_makes_a_batch_efficient():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed, 6)) for seed in range(1, 6)]
        first.open()
        assert await answers(works) == [answer(seed, 6) for seed in range(1, 6)]
        assert engine.groups == [[1, 2], [3, 4], [5]]
        assert all(6 * len(group) <= URGENT for group in engine.groups)


async def test_small_request_fills_the_room_that_a_large_one_leaves():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, 1, URGENT - 2, "a")), scheduler.submit(work(engine, 2, 9, "b"))]
        works.append(scheduler.submit(work(engine, 3, 2, "c")))
        first.open()
        await answers(works)
        assert engine.groups == [[1, 3], [2]]


async def test_what_differs_is_not_computed_together():
    one, other = RecordingEngine(), RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed)) for seed, engine in enumerate([one, other, one, other])]
        works.append(scheduler.submit(work(one, 7, truncated=True)))
        first.open()
        await answers(works)
        assert one.groups == [[0, 2], [7]]
        assert other.groups == [[1, 3]]


async def test_urgent_work_overtakes_bulk_work_that_waits():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed, count)) for seed, count in [(1, BULK), (2, BULK), (3, 1), (4, 2)]]
        first.open()
        assert await answers(works) == [answer(1, BULK), answer(2, BULK), answer(3), answer(4, 2)]
        assert engine.groups == [[3, 4], [1], [2]]


async def test_urgent_work_goes_between_two_batches_of_bulk_work_one_group_at_a_time():
    bulk, one, other = RecordingEngine(held=True), RecordingEngine(), RecordingEngine()
    async with running() as scheduler:
        slow = scheduler.submit(work(bulk, 1, BULK))
        await bulk.begun()
        urgent = [scheduler.submit(work(engine, 2)) for engine in (one, other)]
        bulk.let()
        await bulk.begun()
        assert (len(one.groups), len(other.groups), len(bulk.batches)) == (1, 0, 2)
        assert await urgent[0].future == answer(2)
        bulk.let()
        assert await urgent[1].future == answer(2)
        bulk.open()
        assert await slow.future == answer(1, BULK)


async def test_bulk_work_has_its_turn_while_urgent_work_never_ceases():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, 1, URGENT)) for _ in range(100)]
        works += [scheduler.submit(work(engine, seed, BULK)) for seed in (2, 3)]
        first.open()
        await answers(works)
        assert engine.groups.index([2]) < 10
        # One turn at a time: urgent work goes on in between, and between the batches of each.
        assert 5 <= engine.groups.index([3]) - engine.groups.index([2]) < 20


async def test_tenants_take_turns_in_bulk_work():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        order = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5), ("c", 6)]
        works = [scheduler.submit(work(engine, seed, BULK, tenant)) for tenant, seed in order]
        first.open()
        await answers(works)
        assert engine.groups == [[1], [4], [6], [2], [5], [3]]


async def test_tenant_with_many_small_requests_does_not_hold_up_another():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed, URGENT, "crowd")) for seed in range(1, 10)]
        works.append(scheduler.submit(work(engine, 99, 1, "lone")))
        first.open()
        await answers(works)
        assert [99] in engine.groups[:2]


async def test_request_whose_answer_cannot_be_packed_fails_alone():
    engine = RecordingEngine()

    def fail(drawn, start, stop):
        raise ValueError("no room")

    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, 1)), scheduler.submit(work(engine, 2, pack=fail))]
        works.append(scheduler.submit(work(engine, 3)))
        first.open()
        good, bad, also_good = await answers(works)
        assert engine.groups == [[1, 2, 3]]
        assert (good, also_good) == (answer(1), answer(3))
        assert repr(bad) == "ValueError('no room')"
        await until(lambda: engine.released == 1)


async def test_request_whose_samples_cannot_be_told_fails_alone():
    engine = RecordingEngine()

    def fail():
        raise ValueError("no such label")

    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, 1)), scheduler.submit(work(engine, 2, draw=fail))]
        works.append(scheduler.submit(work(engine, 3)))
        first.open()
        good, bad, also_good = await answers(works)
        assert repr(bad) == "ValueError('no such label')"
        assert (good, also_good) == (answer(1), answer(3))


async def test_workers_survive_errors():
    engine = RecordingEngine()
    async with running(2) as scheduler:
        engine.error = RuntimeError("out of memory")
        works = [scheduler.submit(work(engine, seed, count)) for seed, count in [(1, 1), (2, 1), (3, BULK), (4, BULK)]]
        assert [repr(each) for each in await answers(works)] == ["RuntimeError('out of memory')"] * 4
        engine.error = None
        again = [scheduler.submit(work(engine, 5, BULK)), scheduler.submit(work(engine, 6))]
        assert await answers(again) == [answer(5, BULK), answer(6)]


async def test_error_of_urgent_work_does_not_reach_the_bulk_work_it_interrupts():
    bulk, urgent = RecordingEngine(held=True), RecordingEngine()
    urgent.error = RuntimeError("bad graph")
    async with running() as scheduler:
        slow = scheduler.submit(work(bulk, 1, BULK))
        await bulk.begun()
        quick = scheduler.submit(work(urgent, 2))
        bulk.open()
        with pytest.raises(RuntimeError, match="bad graph"):
            await quick.future
        assert await slow.future == answer(1, BULK)


async def test_work_that_is_abandoned_while_it_waits_is_not_computed():
    engine = RecordingEngine()
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed, count)) for seed in (1, 2) for count in (1, BULK)]
        before = metric("sampling_cancelled_total", stage="queue")
        for each in works[:2]:
            each.abandon()
        first.open()
        assert await answers(works[2:]) == [answer(2), answer(2, BULK)]
        assert engine.groups == [[2], [2]]
        assert metric("sampling_cancelled_total", stage="queue") - before == 2
        assert all(each.future.cancelled() for each in works[:2])


async def test_work_that_is_abandoned_while_it_is_computed_ends_with_the_batch():
    engine = RecordingEngine(held=True)
    async with running() as scheduler:
        abandoned = scheduler.submit(work(engine, 1, BULK))
        await engine.begun()
        abandoned.abandon()
        engine.open()
        assert await scheduler.run(work(engine, 2)) == answer(2)
    assert engine.batches == [[1], [2]]


async def test_group_goes_on_for_those_who_still_wait():
    engine = RecordingEngine(held=True)
    async with running() as scheduler:
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, seed)) for seed in (1, 2)]
        first.open()
        await engine.begun()
        works[0].abandon()
        engine.open()
        assert await works[1].future == answer(2)
        assert engine.groups == [[1, 2]]


async def test_caller_that_goes_away_stops_the_work():
    engine = RecordingEngine(held=True)
    async with running() as scheduler:
        caller = asyncio.create_task(scheduler.run(work(engine, 1, BULK)))
        await engine.begun()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        engine.let()
        assert await scheduler.run(work(RecordingEngine(), 2)) == answer(2)
        assert len(engine.batches) == 1


async def test_workers_compute_at_the_same_time():
    engine = RecordingEngine(held=True)
    async with running(3) as scheduler:
        works = [scheduler.submit(work(engine, seed, BULK)) for seed in range(3)]
        for _ in works:
            await engine.begun()
        assert sorted(engine.batches) == [[0], [1], [2]]
        engine.open()
        await answers(works)


async def test_few_requests_wait_for_others_for_the_delay():
    engine = RecordingEngine()
    async with running(delay_s=0.3) as scheduler:
        began = time.perf_counter()
        first = scheduler.submit(work(engine, 1))
        await asyncio.sleep(0.05)
        second = scheduler.submit(work(engine, 2))
        assert await answers([first, second]) == [answer(1), answer(2)]
        assert time.perf_counter() - began >= 0.3
        assert engine.groups == [[1, 2]]


async def test_group_that_is_full_does_not_wait():
    engine = RecordingEngine()
    async with running(delay_s=10.0) as scheduler:
        began = time.perf_counter()
        await answers([scheduler.submit(work(engine, seed, URGENT // 4)) for seed in range(4)])
        assert time.perf_counter() - began < 5.0
        assert engine.groups == [[0, 1, 2, 3]]


async def test_bulk_work_does_not_wait_for_urgent_work_that_is_being_gathered():
    engine = RecordingEngine()
    async with running(delay_s=10.0) as scheduler:
        urgent = scheduler.submit(work(RecordingEngine(), 1))
        bulk = scheduler.submit(work(engine, 2, BULK))
        assert await asyncio.wait_for(bulk.future, 5.0) == answer(2, BULK)
        urgent.abandon()


async def test_time_in_the_queue_is_measured_by_priority():
    engine = RecordingEngine()
    async with running() as scheduler:
        before = {priority: metric("sampling_queue_seconds_sum", priority=priority) for priority in ("urgent", "bulk")}
        first = await occupied(scheduler)
        works = [scheduler.submit(work(engine, 1)), scheduler.submit(work(engine, 2, BULK))]
        await asyncio.sleep(0.1)
        first.open()
        await answers(works)
        for priority, sum_s in before.items():
            assert metric("sampling_queue_seconds_sum", priority=priority) - sum_s >= 0.1


async def test_stop_ends_the_threads_after_what_is_under_way():
    others = workers()
    scheduler = Scheduler(3)
    mine = workers() - others
    assert len(mine) == 3
    engine = RecordingEngine(held=True)
    slow = scheduler.submit(work(engine, 1, BULK))
    await engine.begun()
    stopping = asyncio.create_task(scheduler.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    engine.open()
    await stopping
    assert await slow.future == answer(1, BULK)
    assert not workers() & mine


async def test_what_waits_when_the_threads_end_is_not_computed():
    engine = RecordingEngine()
    scheduler = Scheduler(1)
    first = await occupied(scheduler)
    waiting = [scheduler.submit(work(engine, 1)), scheduler.submit(work(engine, 2, BULK))]
    stopping = asyncio.create_task(scheduler.stop())
    await asyncio.sleep(0.05)
    first.open()
    await stopping
    assert not engine.groups
    for each in waiting:
        each.abandon()


async def test_many_requests_from_many_callers_all_get_their_own_answer():
    engines = [RecordingEngine() for _ in range(3)]
    async with running(3, delay_s=0.001) as scheduler:

        async def client(number: int) -> None:
            for turn in range(15):
                seed, count = 100 * number + turn, (1, 3, 40, BULK)[(number + turn) % 4]
                assert await scheduler.run(work(engines[turn % 3], seed, count, str(number))) == answer(seed, count)

        await asyncio.gather(*(client(number) for number in range(12)))
    assert sum(len(group) for engine in engines for group in engine.groups) == 12 * 15
