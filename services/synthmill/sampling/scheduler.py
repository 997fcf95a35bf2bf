"""Worker threads that compute what requests ask for: urgent ones before bulk ones, small ones together.

A worker takes the next group of work whenever it is free. Urgent requests for one graph are gathered into a group up to
the number of samples that makes a batch efficient, so batching costs no waiting: it happens while all workers are busy.
Chunks of streams and large requests are bulk, computed one by one; between two of their batches a worker looks after
the urgent ones, one group at most, and after a few urgent groups bulk work has its turn, so that neither starves the
other. Within either class tenants take turns. Urgent work that is over in no time does not come here at all: see
`inline`.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
import time
from collections.abc import Hashable
from typing import Any

from synthmill.sampling.fairness import FairQueue
from synthmill.sampling.inline import InlineRunner
from synthmill.sampling.work import Kin, Work, compute_answers, deliver, is_abandoned, observe

# Groups of urgent work after which bulk work has its turn, if there is any.
_URGENT_IN_ROW = 4


class Scheduler:
    """Runs work in threads of its own.

    Args:
        workers: number of threads.
        delay_s: how long a group that could be larger waits for more requests.
        together: whether urgent requests are computed together at all.
    """

    def __init__(self, workers: int, delay_s: float = 0.0, *, together: bool = True) -> None:
        self._delay_s = delay_s
        self._together = together
        self._inline = InlineRunner(_compute_inline, delay_s, together)
        self._changed = threading.Condition()
        # By what must be equal; the first in order is served first.
        self._urgent: collections.OrderedDict[Hashable, Kin] = collections.OrderedDict()
        self._bulk: FairQueue[Work] = FairQueue(lambda work: work.tenant, lambda work: work.seconds)
        self._urgent_in_row = 0
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"sampling-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def workers(self) -> int:
        """Number of threads."""
        return len(self._threads)

    def submit(self, work: Work) -> Work:
        """Queues work, whose future then is that of its answer; who stops waiting for it calls `abandon`.

        The future raises what `Work.draw`, `Engine.compute` and `Work.pack` raise.
        """
        work.future = asyncio.get_running_loop().create_future()
        if work.urgent and work.rows <= work.engine.inline:
            self._inline.push(work)
            return work
        with self._changed:
            if work.urgent:
                room = work.engine.planner.urgent if self._together else 1
                self._urgent.setdefault(work.kin, Kin(room)).push(work)
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
        kin = next(iter(self._urgent.values()))
        wait_s = kin.since + self._delay_s - time.perf_counter()
        return wait_s if wait_s > 0 and kin.rows < kin.room else None

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
            if not is_abandoned(work):
                return [work]
        return []

    def _compute(self, group: list[Work]) -> None:
        urgent = group[0].urgent
        observe(group, "urgent" if urgent else "bulk")
        answers = compute_answers(group, _pause if urgent else self._serve_urgent)
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            group[0].future.get_loop().call_soon_threadsafe(deliver, group, answers)

    def _serve_urgent(self) -> None:
        """Computes one group of urgent work between two batches of bulk work."""
        if not self._urgent:
            return
        with self._changed:
            group = self._take_urgent()
        if group:
            self._compute(group)


def _compute_inline(group: list[Work]) -> None:
    observe(group, "urgent")
    deliver(group, compute_answers(group, _pause))


def _pause() -> None:
    """Does nothing between two batches of urgent work: it is what others would be interrupted for."""
