"""Cuts a large answer into parts that several workers compute at once."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthmill.sampling.engine import Draw, Drawn
from synthmill.sampling.scheduler import Scheduler
from synthmill.sampling.slots import Shape
from synthmill.sampling.work import Work

# Handing a part to a thread and taking it back costs about a millisecond; this is worth it.
_LEAST_S = 0.005
# With several parts for each worker, one that is held up leaves more of them to the others, and tenants take turns.
_MOST_S = 0.1


def part_sizes(count: int, bulk: int, seconds_per_sample: float, workers: int) -> list[int]:
    """Cuts samples into parts of whole batches, one or more for each worker; into one part if cutting gains nothing.

    Args:
        count: number of samples, at least 1.
        bulk: samples of a batch.
        seconds_per_sample: what a sample costs a worker.
        workers: number of workers.
    """
    batches, seconds = math.ceil(count / bulk), count * seconds_per_sample
    parts = min(workers * math.ceil(seconds / workers / _MOST_S), int(seconds / _LEAST_S), batches)
    if workers == 1 or parts < 2:
        return [count]
    whole, rest = divmod(batches, parts)
    sizes = [(whole + (number < rest)) * bulk for number in range(parts)]
    sizes[-1] -= batches * bulk - count
    return sizes


async def run_in_parts(scheduler: Scheduler, work: Work) -> Any:
    """Computes work and returns its answer, as `Scheduler.run` does, by all workers if it is large."""
    planner = work.engine.planner
    if work.urgent:
        return await scheduler.run(work)
    sizes = part_sizes(work.count, planner.bulk, work.seconds / work.count, scheduler.workers)
    if len(sizes) == 1:
        return await scheduler.run(work)
    parts = [scheduler.submit(part) for part in _Whole(work, sizes).parts()]
    try:
        return next(answer for answer in await asyncio.gather(*(part.future for part in parts)) if answer is not None)
    finally:
        for part in parts:
            part.abandon()


class _Whole:
    """Work in parts; who computes the last one packs the answer of all, the others have None.

    Args:
        work: all of it.
        sizes: samples of each part.
    """

    def __init__(self, work: Work, sizes: Sequence[int]) -> None:
        self._work = work
        self._sizes = sizes
        self._lock = threading.Lock()
        self._drawn: Draw | None = None
        self._kept: dict[int, list[_Kept]] = {}

    def parts(self) -> list[Work]:
        """Makes the parts, in order; what they have in common ends with the last of them."""
        starts = itertools.accumulate(self._sizes, initial=0)
        return [
            dataclasses.replace(
                self._work,
                draw=functools.partial(self._draw, start, start + size),
                pack=functools.partial(self._pack, number),
                count=size,
                bulk=True,
            )
            for number, (start, size) in enumerate(zip(starts, self._sizes, strict=False))
        ]

    def _draw(self, start: int, stop: int) -> Draw:
        # Which label an index gets may depend on its place among all of them.
        with self._lock:
            whole = self._drawn = self._drawn or self._work.draw()
        label = None if whole.label is None else whole.label[start:stop]
        return dataclasses.replace(whole, index=whole.index[start:stop], label=label)

    def _pack(self, number: int, drawn: Drawn, start: int, stop: int) -> Any:
        kept = _keep(drawn, start, stop)
        with self._lock:
            self._kept[number] = kept
            if len(self._kept) < len(self._sizes):
                return None
        batches = [batch for number in range(len(self._sizes)) for batch in self._kept.pop(number)]
        return self._work.pack(Drawn(batches, self._work.count), 0, self._work.count)


@dataclasses.dataclass(frozen=True)
class _Kept:
    """A batch in memory of its own; has what `Drawn` asks a slot for."""

    shape: Shape
    outputs: dict[str, np.ndarray]
    seconds: float


def _keep(drawn: Drawn, start: int, stop: int) -> list[_Kept]:
    columns = drawn.names
    pieces = zip(*(drawn.pieces(column, start, stop) for column in columns), strict=True)
    return [
        _Kept(Shape(batch.size), dict(zip(columns, map(np.copy, arrays), strict=True)), batch.seconds)
        for batch, arrays in zip(drawn.batches(start, stop), pieces, strict=True)
    ]
