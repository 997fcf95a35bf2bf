"""Computes tiny groups of urgent work in the event loop itself.

Handing a request to another thread and taking its answer back costs more than a small model takes to run. While
requests come one by one, each is computed at once; when they come thick and fast, they are gathered for a moment, which
is no loss: the loop has the others to read meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable

from synthmill.sampling.work import Kin, Work

# After so long the loop looks after its connections again.
_ROUND_S = 0.002
# Requests of different clients that follow one another sooner than this are worth gathering; one client that waits for
# each answer before it asks again must not wait for nobody.
_THICK_AND_FAST_S = 0.002
# They are gathered for so long per request of the last group: the more clients, the longer, and the more pays for it.
_GATHER_S = 0.0005
_MAX_GATHER_S = 0.004


class InlineRunner:
    """Urgent work that the event loop computes; belongs to that loop.

    Args:
        compute: computes a group and delivers the answers.
        delay_s: how long a group that could be larger waits for more requests.
        together: whether requests are computed together at all.
    """

    def __init__(self, compute: Callable[[list[Work]], None], delay_s: float, together: bool) -> None:
        self._compute = compute
        self._delay_s = delay_s
        self._together = together
        self._waiting: dict[Hashable, Kin] = {}
        self._planned: dict[Hashable, asyncio.Handle] = {}
        self._last_s = 0.0
        self._last_tenant = ""
        self._last_size = 1

    def push(self, work: Work) -> None:
        """Queues work for the loop's next round, or the one in a moment."""
        kin = self._waiting.get(work.kin)
        if kin is None:
            kin = self._waiting[work.kin] = Kin(work.engine.inline if self._together else 1)
            thick = self._last_size > 1 or work.tenant != self._last_tenant
            thick = thick and work.created - self._last_s < _THICK_AND_FAST_S
            gather_s = min(_GATHER_S * (self._last_size + 1), _MAX_GATHER_S) if thick else 0.0
            self._plan(work.kin, max(self._delay_s, gather_s))
        self._last_s, self._last_tenant = work.created, work.tenant
        was_full = kin.rows >= kin.room
        kin.push(work)
        if kin.rows >= kin.room and not was_full:
            self._plan(work.kin, 0.0)

    def _plan(self, key: Hashable, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        if key in self._planned:
            self._planned[key].cancel()
        if delay_s:
            self._planned[key] = loop.call_later(delay_s, self._serve, key)
        else:
            self._planned[key] = loop.call_soon(self._serve, key)

    def _serve(self, key: Hashable) -> None:
        kin = self._waiting[key]
        end = time.perf_counter() + _ROUND_S
        while group := kin.gather():
            self._compute(group)
            self._last_size = len(group)
            if kin.queue and time.perf_counter() > end:
                self._plan(key, 0.0)
                return
        del self._waiting[key], self._planned[key]
