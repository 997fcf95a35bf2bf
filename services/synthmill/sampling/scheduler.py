"""Worker threads that compute what requests ask for: urgent ones before bulk ones, small ones together.

A worker takes the next group of work whenever it is free. Urgent requests for one graph are gathered into a group up to
the number of samples that makes a batch efficient, so batching costs no waiting: it happens while all workers are busy.
Chunks of streams and large requests are bulk, computed one by one; between two of their batches a worker looks after
the urgent ones, one group at most, so that neither starves the other. Within either class tenants take turns.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

from synthmill.sampling import metrics
from synthmill.sampling.engine import Draw, Drawn, Engine
from synthmill.sampling.fairness import FairQueue

Answer = tuple[Any, Exception | None]
"""What a request gets: a value, or an error."""

# Groups of urgent work after which bulk work has its turn, if there is any.
_URGENT_IN_ROW = 4


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
    """

    engine: Engine
    draw: Callable[[], Draw]
    pack: Callable[[Drawn, int, int], Any]
    count: int
    tenant: str = ""
    truncated: bool = False
    created: float = dataclasses.field(default_factory=time.perf_counter)
    abandoned: bool = False
    future: asyncio.Future[Any] | None = None

    def abandon(self) -> None:
        """Says that nobody waits for the answer any more; a worker that is at it ends after the current batch."""
        self.abandoned = True
        self.future.cancel()

    @property
    def seconds(self) -> float:
        """Estimate of what it costs."""
        return self.count * self.engine.planner.seconds_per_sample

    @property
    def urgent(self) -> bool:
        """Whether it is small enough to go first."""
        return self.count <= self.engine.planner.urgent

    @property
    def kin(self) -> Hashable:
        """What must be equal for works to be computed together."""
        return self.engine, self.truncated


class _Kin:
    """Urgent work that may be computed together."""

    def __init__(self) -> None:
        self.queue: FairQueue[Work] = FairQueue(_tenant, _count)
        self.rows = 0
        self.since = 0.0

    def push(self, work: Work) -> None:
        """Adds work."""
        if not self.queue:
            self.since = work.created
        self.queue.push(work)
        self.rows += work.count

    def gather(self) -> list[Work]:
        """Takes work up to what makes a batch efficient; none if nobody waits for any of it."""
        group: list[Work] = []
        taken = 0

        def fits(work: Work) -> bool:
            return not taken or taken + work.count <= work.engine.planner.urgent

        while (work := self.queue.pop(fits)) is not None:
            self.rows -= work.count
            if not _is_abandoned(work):
                taken += work.count
                group.append(work)
        return group


class Scheduler:
    """Runs work in threads of its own.

    Args:
        workers: number of threads.
        delay_s: how long a group that could be larger waits for more requests.
    """

    def __init__(self, workers: int, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._changed = threading.Condition()
        # By what must be equal; the first in order is served first.
        self._urgent: collections.OrderedDict[Hashable, _Kin] = collections.OrderedDict()
        self._bulk: FairQueue[Work] = FairQueue(_tenant, _seconds)
        self._urgent_in_row = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"sampling-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> Work:
        """Queues work, whose future then is that of its answer; who stops waiting for it calls `abandon`.

        The future raises what `Work.draw`, `Engine.compute` and `Work.pack` raise.
        """
        work.future = asyncio.get_running_loop().create_future()
        with self._changed:
            if work.urgent:
                self._urgent.setdefault(work.kin, _Kin()).push(work)
            else:
                self._bulk.push(work)
            self._changed.notify()
        return work

    async def run(self, work: Work) -> Any:
        """Computes work and returns its answer; if the caller goes away, it ends within one batch."""
        self.submit(work)
        try:
            return await work.future
        finally:
            work.abandon()

    async def stop(self) -> None:
        """Ends the threads; work that waits is not computed any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        while group := self._next_group():
            self._compute(group)

    def _next_group(self) -> list[Work]:
        """Waits for work; an empty group means the end."""
        with self._changed:
            while not self._stopping:
                wait_s = self._time_to_gather()
                if self._urgent_in_row >= _URGENT_IN_ROW or wait_s:
                    group = self._take_bulk() or ([] if wait_s else self._take_urgent())
                else:
                    group = self._take_urgent() or self._take_bulk()
                if group:
                    self._urgent_in_row = self._urgent_in_row + 1 if group[0].urgent else 0
                    return group
                self._changed.wait(wait_s)
        return []

    def _time_to_gather(self) -> float | None:
        """Returns how long the first urgent group should wait for more requests; None if it should not."""
        if not self._delay_s or not self._urgent:
            return None
        (engine, _truncated), kin = next(iter(self._urgent.items()))
        wait_s = kin.since + self._delay_s - time.perf_counter()
        return wait_s if wait_s > 0 and kin.rows < engine.planner.urgent else None

    def _take_urgent(self) -> list[Work]:
        while self._urgent:
            key, kin = self._urgent.popitem(last=False)
            group = kin.gather()
            if kin.queue:
                # Behind the others, so that no graph keeps the workers to itself.
                kin.since = time.perf_counter()
                self._urgent[key] = kin
            if group:
                return group
        return []

    def _take_bulk(self) -> list[Work]:
        while (work := self._bulk.pop()) is not None:
            if not _is_abandoned(work):
                return [work]
        return []

    def _compute(self, group: list[Work]) -> None:
        urgent = group[0].urgent
        _observe(group, "urgent" if urgent else "bulk")
        answers = _answers(group, _pause if urgent else self._serve_urgent)
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            group[0].future.get_loop().call_soon_threadsafe(_deliver, group, answers)

    def _serve_urgent(self) -> None:
        """Computes one group of urgent work between two batches of bulk work."""
        if not self._urgent:
            return
        with self._changed:
            group = self._take_urgent()
        if group:
            self._compute(group)


def _answers(group: list[Work], between: Callable[[], None]) -> list[Answer]:
    """Computes a group; each work has an answer, or an error of its own or of all."""
    draws = [_try(work.draw) for work in group]
    good = [work for work, (_draw, error) in zip(group, draws, strict=True) if error is None]
    computed = iter(_compute_together(good, [draw for draw, error in draws if error is None], between))
    return [(None, error) if error else next(computed) for _draw, error in draws]


def _compute_together(group: list[Work], draws: list[Draw], between: Callable[[], None]) -> list[Answer]:
    if not group:
        return []
    engine = group[0].engine
    try:
        drawn = engine.compute(draws, between, lambda: all(work.abandoned for work in group))
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


def _deliver(group: list[Work], answers: list[Answer]) -> None:
    for work, (answer, error) in zip(group, answers, strict=True):
        if work.future.done():
            continue
        if error is None:
            work.future.set_result(answer)
        else:
            work.future.set_exception(error)


def _observe(group: list[Work], priority: str) -> None:
    now = time.perf_counter()
    queue_seconds = metrics.queue_seconds(priority)
    for work in group:
        queue_seconds.observe(now - work.created)
    metrics.BATCH_REQUESTS.observe(len(group))
    metrics.BATCH_ROWS.observe(sum(work.count for work in group))


def _is_abandoned(work: Work) -> bool:
    if work.abandoned:
        metrics.CANCELLED.labels("queue").inc()
    return work.abandoned


def _pause() -> None:
    """Does nothing between two batches of urgent work: it is what others would be interrupted for."""


def _tenant(work: Work) -> str:
    return work.tenant


def _count(work: Work) -> float:
    return work.count


def _seconds(work: Work) -> float:
    return work.seconds
