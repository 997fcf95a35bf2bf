"""What requests ask of the workers, what may be computed together, and how a group gets its answers."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Hashable
from typing import Any

from synthmill.runtime.filters import Filter
from synthmill.sampling import metrics
from synthmill.sampling.engine import Draw, Drawn, Engine
from synthmill.sampling.fairness import FairQueue
from synthmill.sampling.filtering import compute_filtered

Answer = tuple[Any, Exception | None]
"""What a request gets: a value, or an error."""


@dataclasses.dataclass(eq=False)
class Work:
    """What a worker does in one go for one request.

    Attributes:
        engine: computes it.
        draw: returns the samples to compute; called in the worker.
        pack: makes the answer of the samples; called in the worker, and must copy what it needs.
        count: number of samples.
        tenant: who asks.
        truncated: whether the draw has a truncation.
        filter: that of the draw.
        bulk: whether it waits its turn behind urgent work, however small it is.
    """

    engine: Engine
    draw: Callable[[], Draw]
    pack: Callable[[Drawn, int, int], Any]
    count: int
    tenant: str = ""
    truncated: bool = False
    filter: Filter | None = None
    bulk: bool = False
    created: float = dataclasses.field(default_factory=time.perf_counter)
    abandoned: bool = False
    future: asyncio.Future[Any] | None = None

    def abandon(self) -> None:
        """Says that nobody waits for the answer any more; a worker that is at it ends after the current batch."""
        self.abandoned = True
        self.future.cancel()

    @property
    def rows(self) -> int:
        """Most samples that it computes: a filter may ask for several candidates of each."""
        return self.count * (self.filter.attempts if self.filter else 1)

    @property
    def expected_rows(self) -> float:
        """Samples that it is expected to compute."""
        return self.count * (self.engine.candidates.expected(self.filter) if self.filter else 1)

    @property
    def seconds(self) -> float:
        """Estimate of what it costs."""
        return self.expected_rows * self.engine.planner.seconds_per_sample

    @property
    def urgent(self) -> bool:
        """Whether it is small enough to go first."""
        return not self.bulk and self.rows <= self.engine.planner.urgent

    @property
    def kin(self) -> Hashable:
        """What must be equal for works to be computed together."""
        return self.engine, self.truncated, self.filter is not None


class Kin:
    """Urgent work that may be computed together.

    Args:
        room: samples of a group; with 1, each work is a group of its own.

    Attributes:
        room: as given.
        queue: the work.
        rows: samples of all of it.
        since: when the first of it came.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.queue: FairQueue[Work] = FairQueue(lambda work: work.tenant, lambda work: work.expected_rows)
        self.rows = 0
        self.since = 0.0

    def push(self, work: Work) -> None:
        """Adds work."""
        if not self.queue:
            self.since = work.created
        self.queue.push(work)
        self.rows += work.rows

    def gather(self) -> list[Work]:
        """Takes work up to what a group has room for; none if nobody waits for any of it."""
        group: list[Work] = []
        taken = 0

        def fits(work: Work) -> bool:
            return not taken or taken + work.rows <= self.room

        while (work := self.queue.pop(fits)) is not None:
            self.rows -= work.rows
            if not is_abandoned(work):
                taken += work.rows
                group.append(work)
        return group


def compute_answers(group: list[Work], between: Callable[[], None]) -> list[Answer]:
    """Computes a group; each work has an answer, or an error of its own or of all."""
    draws = [_try(work.draw) for work in group]
    good = [work for work, (_draw, error) in zip(group, draws, strict=True) if error is None]
    computed = iter(_compute_together(good, [draw for draw, error in draws if error is None], between))
    return [(None, error) if error else next(computed) for _draw, error in draws]


def _compute_together(group: list[Work], draws: list[Draw], between: Callable[[], None]) -> list[Answer]:
    if not group:
        return []
    engine = group[0].engine
    compute = functools.partial(compute_filtered, engine) if group[0].filter else engine.compute
    try:
        drawn = compute(draws, between, lambda: all(work.abandoned for work in group))
    except Exception as error:
        return [(None, error)] * len(group)
    starts = itertools.accumulate((work.count for work in group[:-1]), initial=0)
    try:
        return [_try(work.pack, drawn, start, start + work.count) for work, start in zip(group, starts, strict=True)]
    finally:
        engine.release(drawn)


def _try(step: Callable[..., Any], *arguments: Any) -> Answer:
    # What one request asks for must not end the thread, nor hurt the others of its group.
    try:
        return step(*arguments), None
    except Exception as error:
        return None, error


def deliver(group: list[Work], answers: list[Answer]) -> None:
    for work, (answer, error) in zip(group, answers, strict=True):
        if work.future.done():
            continue
        if error is None:
            work.future.set_result(answer)
        else:
            work.future.set_exception(error)


def observe(group: list[Work], priority: str) -> None:
    now = time.perf_counter()
    queue_seconds = metrics.queue_seconds(priority)
    for work in group:
        queue_seconds.observe(now - work.created)
    metrics.BATCH_REQUESTS.observe(len(group))
    metrics.BATCH_ROWS.observe(sum(work.count for work in group))


def is_abandoned(work: Work) -> bool:
    if work.abandoned:
        metrics.CANCELLED.labels("queue").inc()
    return work.abandoned
