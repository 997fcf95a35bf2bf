"""An engine that computes nothing, and tells what it was asked for: our own seam between scheduler and engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synthmill.runtime.errors import Cancelled
from synthmill.sampling.batches import BatchPlanner
from synthmill.sampling.engine import Draw
from synthmill.sampling.scheduler import Scheduler
from synthmill.sampling.work import Work

# The larger the batch, the cheaper: up to 16 samples are urgent, and gathered up to as many.
SECONDS = {1: 0.00100, 4: 0.00110, 16: 0.00120}
URGENT = 16
BULK = 10 * URGENT

_PATIENCE_S = 20.0


class RecordingEngine:
    """Takes part in a scheduler as an `Engine` does; a batch ends when the test lets it.

    Args:
        held: whether batches wait for `let`.
        inline: whether the event loop itself computes urgent requests.

    Attributes:
        groups: seeds of the draws that were computed together.
        batches: the same for each batch that began.
        threads: names of the threads that computed.
        released: number of answers whose memory was given back.
    """

    def __init__(self, *, held: bool = False, inline: bool = False) -> None:
        self.inline = URGENT if inline else 0
        self.planner = BatchPlanner(SECONDS)
        self.groups: list[list[int]] = []
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.released = 0
        self.error: Exception | None = None
        self._held = held
        self._begun = threading.Semaphore(0)
        self._allowed = threading.Semaphore(0)

    def compute(
        self, draws: Sequence[Draw], between: Callable[[], None], stopped: Callable[[], bool]
    ) -> list[tuple[int, int]]:
        """Returns (seed, index) of each sample, batch by batch."""
        seeds = [draw.seed for draw in draws]
        self.groups.append(seeds)
        self.threads.add(threading.current_thread().name)
        for number, _size in enumerate(self.planner.plan(sum(len(draw.index) for draw in draws))):
            if number:
                between()
            if stopped():
                raise Cancelled("stopped")
            if self.error:
                raise self.error
            self.batches.append(seeds)
            self._begun.release()
            if self._held:
                assert self._allowed.acquire(timeout=_PATIENCE_S)
        return [(draw.seed, int(index)) for draw in draws for index in draw.index]

    def release(self, drawn: list[tuple[int, int]]) -> None:
        """Counts."""
        self.released += 1

    async def begun(self) -> None:
        """Waits until one more batch has begun."""
        assert await asyncio.to_thread(self._begun.acquire, True, _PATIENCE_S)

    def let(self, batches: int = 1) -> None:
        """Lets some batches end."""
        self._allowed.release(batches)

    def open(self) -> None:
        """Lets all batches end, those to come too."""
        self._held = False
        self.let(1000)


def work(engine: Any, seed: int, count: int = 1, tenant: str = "", **fields: Any) -> Work:
    """Makes work whose answer is its samples as (seed, index)."""
    given = {
        "draw": lambda: Draw(seed, np.arange(count)),
        "pack": lambda drawn, start, stop: drawn[start:stop],
        **fields,
    }
    return Work(engine, count=count, tenant=tenant, **given)


def answer(seed: int, count: int = 1) -> list[tuple[int, int]]:
    """Returns what such work gives."""
    return [(seed, index) for index in range(count)]


async def occupied(scheduler: Scheduler, count: int = 1) -> RecordingEngine:
    """Gives a worker urgent work that ends when the engine returned is opened."""
    engine = RecordingEngine(held=True)
    scheduler.submit(work(engine, 0, count))
    await engine.begun()
    return engine
