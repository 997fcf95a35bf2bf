"""Large answers: cut where that gains something, computed by all workers, and the same bytes as in one go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.graph.generators import LABELS, judging_graph
from unit.sampling.recording import answer, occupied
from unit.sampling.recording import work as small_work
from unit.sampling.serving import engine_of, floats_graph, metric, until, words_graph

from synthmill.runtime.filters import Filter
from synthmill.sampling.batches import BatchPlanner
from synthmill.sampling.engine import Draw, Drawn, Engine
from synthmill.sampling.labels import GivenLabels
from synthmill.sampling.parts import part_sizes, run_in_parts
from synthmill.sampling.scheduler import Scheduler
from synthmill.sampling.work import Work

WORKERS = 2
# Batches of so many samples, said to be slow enough that two are worth two workers.
BATCH, BATCH_S = 16, 0.02
COUNT = 10 * BATCH + 5


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(WORKERS)
    yield scheduler
    await scheduler.stop()


class Watched:
    """An engine that tells which threads were asked for how many samples, and may hold them up.

    Attributes:
        asked: (thread, samples) of each computation that began.
        gate: while it is clear, none of them goes on.
    """

    def __init__(self, engine: Engine) -> None:
        engine.planner = BatchPlanner({BATCH: BATCH_S})
        self.asked: list[tuple[str, int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._engine = engine
        self._errors: queue.SimpleQueue[Exception] = queue.SimpleQueue()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def fail_next(self, error: Exception) -> None:
        """Makes one of those that are held up fail."""
        self._errors.put(error)

    def compute(
        self, draws: list[Draw], between: Callable[[], None] = lambda: None, stopped: Callable[[], bool] = bool
    ) -> Drawn:
        self.asked.append((threading.current_thread().name, sum(len(draw.index) for draw in draws)))
        while not self.gate.wait(0.005):
            with contextlib.suppress(queue.Empty):
                raise self._errors.get_nowait()
        return self._engine.compute(draws, between, stopped)


@pytest.fixture
def engine() -> Watched:
    return Watched(engine_of(floats_graph(labels=LABELS), LABELS))


def large(engine: Watched, count: int = COUNT, index: np.ndarray | None = None, **fields: Any) -> Work:
    """Makes work whose answer is the bytes of its columns, or their elements."""
    index = np.arange(count) if index is None else index
    label = index % len(LABELS) if engine.signature.classes else None

    def pack(drawn: Drawn, start: int, stop: int) -> dict[str, Any]:
        return {name: comparable(drawn.pieces(name, start, stop)) for name in engine.signature.outputs}

    return Work(engine, **{"draw": lambda: Draw(9, index, label), "pack": pack, "count": len(index), **fields})


def comparable(pieces: list[np.ndarray]) -> bytes | list:
    column = np.concatenate(pieces)
    return column.tolist() if column.dtype == object else column.tobytes()


@settings(deadline=None)
@given(
    st.integers(1, 10**6),
    st.sampled_from([1, 4, 16, 256, 1024]),
    st.floats(1e-7, 1.0),
    st.integers(1, 64),
)
def test_parts_are_whole_batches_alike_in_size_and_worth_handing_over(count, bulk, seconds_per_sample, workers):
    sizes = part_sizes(count, bulk, seconds_per_sample, workers)
    batches = [-(-size // bulk) for size in sizes]
    assert sum(sizes) == count
    assert all(size == bulk * number for size, number in zip(sizes[:-1], batches, strict=False))
    assert min(sizes) > 0
    assert max(batches) - min(batches) <= 1
    if len(sizes) > 1:
        assert workers > 1
        assert count * seconds_per_sample / len(sizes) >= 0.005


@pytest.mark.parametrize(
    ("count", "seconds_per_sample", "workers", "sizes"),
    [
        (2000, 0.0001, 1, [2000]),
        (16, 1.0, 8, [16]),
        (160, 0.00006, 2, [160]),
        (160, 0.0001, 2, [80, 80]),
        (170, 0.0001, 2, [96, 74]),
        (160, 0.0001, 8, [64, 48, 48]),
    ],
)
def test_number_of_parts_follows_from_workers_and_what_a_part_costs(count, seconds_per_sample, workers, sizes):
    assert part_sizes(count, 16, seconds_per_sample, workers) == sizes


def test_slow_work_has_more_parts_than_workers():
    assert len(part_sizes(2000, 16, 0.0005, 2)) == 10


async def test_all_workers_compute_and_the_answer_is_that_of_one(scheduler, engine):
    expected = await scheduler.run(large(engine))
    engine.asked.clear()
    engine.gate.clear()
    answering = asyncio.create_task(run_in_parts(scheduler, large(engine)))
    await until(lambda: len(engine.asked) == WORKERS)
    engine.gate.set()
    assert await answering == expected
    assert {thread for thread, _count in engine.asked} == {"sampling-0", "sampling-1"}
    assert sum(count for _thread, count in engine.asked) == COUNT


async def test_strings_and_graphs_without_labels_are_the_same_too(scheduler):
    words = Watched(engine_of(words_graph()))
    assert await run_in_parts(scheduler, large(words)) == await scheduler.run(large(words))
    assert len(words.asked) > 2


async def test_filtered_samples_are_the_same_in_parts(scheduler):
    judging, by = Watched(engine_of(judging_graph(), LABELS)), Filter(0.9)
    index = np.arange(COUNT)

    def pack(drawn: Drawn, start: int, stop: int) -> dict[str, Any]:
        return {name: comparable(drawn.pieces(name, start, stop)) for name in drawn.names}

    def filtered() -> Work:
        return large(judging, draw=lambda: Draw(9, index, index % 3, None, by), pack=pack, filter=by)

    found = await run_in_parts(scheduler, filtered())
    assert len({thread for thread, _count in judging.asked}) == WORKERS
    assert found == await scheduler.run(filtered())
    assert set(found) == {"image", "confidence", "score", "attempt", "passed"}


async def test_small_work_is_computed_in_one_go(scheduler, engine):
    await run_in_parts(scheduler, large(engine, BATCH))
    assert [count for _thread, count in engine.asked] == [BATCH]


async def test_place_among_all_tells_the_label_of_an_index_that_comes_twice(scheduler, engine):
    index = np.arange(COUNT) // 2
    plan = GivenLabels(len(LABELS), index.tolist(), (np.arange(COUNT) % 2).tolist())
    draws = []

    def draw() -> Draw:
        draws.append(Draw(9, index, plan.labels(9, index)))
        return draws[-1]

    found = await run_in_parts(scheduler, large(engine, index=index, draw=draw))
    assert found == await scheduler.run(large(engine, index=index, draw=draw))
    # Once for all parts, and once for the whole.
    assert len(draws) == 2


async def test_error_of_a_part_is_that_of_the_request_and_the_rest_is_not_computed(scheduler, engine):
    engine.gate.clear()
    answering = asyncio.create_task(run_in_parts(scheduler, large(engine, 100 * BATCH)))
    await until(lambda: len(engine.asked) == WORKERS)
    engine.fail_next(RuntimeError("out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        await answering
    engine.gate.set()
    await scheduler.stop()
    # The worker that failed may have begun another part before the request heard of it.
    assert len(engine.asked) in (WORKERS, WORKERS + 1)


async def test_caller_that_goes_away_stops_all_parts(scheduler, engine):
    engine.gate.clear()
    before = metric("sampling_cancelled_total", stage="queue")
    caller = asyncio.create_task(run_in_parts(scheduler, large(engine, 100 * BATCH)))
    await until(lambda: len(engine.asked) == WORKERS)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    engine.gate.set()
    parts = len(part_sizes(100 * BATCH, BATCH, BATCH_S / BATCH, WORKERS))
    await until(lambda: metric("sampling_cancelled_total", stage="queue") - before == parts - WORKERS)
    assert len(engine.asked) == WORKERS


async def test_parts_wait_behind_urgent_work_however_small_they_are(engine):
    scheduler = Scheduler(WORKERS)
    first, second = await occupied(scheduler), await occupied(scheduler)
    answering = asyncio.create_task(run_in_parts(scheduler, large(engine, 2 * BATCH)))
    await asyncio.sleep(0)
    order: list[str] = []
    answering.add_done_callback(lambda _: order.append("large"))
    quick = scheduler.submit(small_work(first, 1))
    quick.future.add_done_callback(lambda _: order.append("small"))
    first.open()
    assert await quick.future == answer(1)
    second.open()
    await answering
    await scheduler.stop()
    assert order == ["small", "large"]


async def test_nothing_is_left_behind(engine):
    scheduler = Scheduler(WORKERS)
    work = large(engine)
    left = weakref.ref(work)
    gc.disable()
    try:
        await run_in_parts(scheduler, work)
        # A worker keeps what it has computed last until it has something else to do.
        await scheduler.stop()
        del work
        assert left() is None
    finally:
        gc.enable()
