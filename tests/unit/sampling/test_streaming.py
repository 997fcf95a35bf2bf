"""Computing ahead: in order, bounded, and over at once when nobody listens any more."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest
from unit.sampling.recording import BULK, RecordingEngine, answer, work
from unit.sampling.serving import until

from synthmill.sampling.scheduler import Scheduler
from synthmill.sampling.streaming import compute_ahead
from synthmill.sampling.work import Work

PARTS = [range(first, first + BULK) for first in range(0, 20 * BULK, BULK)]
SEEDS = [part.start for part in PARTS]


class Parts:
    """Submits parts to a scheduler and keeps the works; a part's seed is its start."""

    def __init__(self, scheduler: Scheduler, engine: RecordingEngine, **fields: object) -> None:
        self.works: list[Work] = []
        self._scheduler = scheduler
        self._engine = engine
        self._fields = fields

    def __call__(self, part: range) -> Work:
        made = work(self._engine, part.start, len(part), **self._fields)
        self.works.append(made)
        return self._scheduler.submit(made)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(3)
    yield scheduler
    await scheduler.stop()


@pytest.mark.parametrize("window", [1, 2, 3, 50])
async def test_answers_come_in_order(scheduler, window):
    submit = Parts(scheduler, RecordingEngine())
    found = [each async for each in compute_ahead(PARTS, submit, window)]
    assert found == [answer(seed, BULK) for seed in SEEDS]
    assert len(submit.works) == len(PARTS)


async def test_nothing_gives_nothing(scheduler):
    assert [each async for each in compute_ahead([], Parts(scheduler, RecordingEngine()), 2)] == []


@pytest.mark.parametrize("window", [1, 2, 4])
async def test_slow_consumer_holds_the_work_back(scheduler, window):
    submit = Parts(scheduler, RecordingEngine())
    async with contextlib.aclosing(compute_ahead(iter(PARTS), submit, window)) as answers:
        for taken in range(1, 6):
            await anext(answers)
            await asyncio.sleep(0.01)
            # What was taken, and the window beyond it.
            assert len(submit.works) == taken + window


async def test_parts_of_a_window_are_computed_at_the_same_time(scheduler):
    engine = RecordingEngine(held=True)
    answers = compute_ahead(PARTS, Parts(scheduler, engine), 3)
    first = asyncio.ensure_future(anext(answers))
    for _ in range(3):
        await engine.begun()
    assert sorted(engine.groups) == [[seed] for seed in SEEDS[:3]]
    engine.open()
    assert await first == answer(SEEDS[0], BULK)
    await answers.aclose()


async def test_closing_abandons_what_is_under_way_and_begins_nothing_more(scheduler):
    engine = RecordingEngine()
    submit = Parts(scheduler, engine)
    answers = compute_ahead(PARTS, submit, 3)
    await anext(answers)
    await answers.aclose()
    assert [each.abandoned for each in submit.works] == [False, True, True, True]


async def test_consumer_that_is_cancelled_stops_the_work_within_one_batch(scheduler):
    engine = RecordingEngine(held=True)
    submit = Parts(scheduler, engine)

    async def consume() -> None:
        async with contextlib.aclosing(compute_ahead(PARTS, submit, 2)) as answers:
            async for _ in answers:
                pass

    consumer = asyncio.create_task(consume())
    await engine.begun()
    await engine.begun()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert all(each.abandoned for each in submit.works)
    engine.open()
    assert await scheduler.run(work(RecordingEngine(), 1)) == answer(1)
    await scheduler.stop()
    assert len(engine.batches) == 2


async def test_error_of_a_part_ends_the_stream_after_what_came_before(scheduler):
    def pack(drawn, start, stop):
        if drawn[0][0] == SEEDS[5]:
            raise ValueError("five")
        return drawn[0][0]

    submit = Parts(scheduler, RecordingEngine(), pack=pack)
    found = []
    with pytest.raises(ValueError, match="five"):
        async for each in compute_ahead(PARTS, submit, 3):
            found.append(each)
    assert found == SEEDS[:5]
    assert all(each.future.done() for each in submit.works)


async def test_errors_that_nobody_waits_for_are_not_reported_as_forgotten(scheduler):
    def pack(drawn, start, stop):
        if drawn[0][0] != SEEDS[0]:
            raise RuntimeError("out of memory")

    submit = Parts(scheduler, RecordingEngine(), pack=pack)
    # The loop is the whole session's: what other tests have left to the collector is reported here too.
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context.get("exception")))
    try:
        answers = compute_ahead(PARTS, submit, 3)
        await anext(answers)
        await until(lambda: all(each.future.done() for each in submit.works))
        with pytest.raises(RuntimeError, match="out of memory"):
            await anext(answers)
        submit.works.clear()
        gc.collect()
        await asyncio.sleep(0)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert "out of memory" not in map(str, reported)
