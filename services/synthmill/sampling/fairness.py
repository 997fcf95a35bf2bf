"""Takes turns among tenants by what each has cost so far."""

from __future__ import annotations

import collections
import heapq
import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_MANY = 256


class FairQueue(Generic[T]):
    """Items of several tenants; the next one is of the tenant that has been served least.

    Start-time fair queueing (Goyal, Vin and Cheng 1996) with equal weights: each tenant has a clock that runs by the
    cost of what it was given, and the slowest clock goes first. A tenant that comes back after a pause starts at the
    present time, so that idling earns no credit. Not safe to use from several threads.

    Args:
        tenant_of: whose an item is.
        cost_of: what an item costs, in any unit.
    """

    def __init__(self, tenant_of: Callable[[T], str], cost_of: Callable[[T], float]) -> None:
        self._tenant_of = tenant_of
        self._cost_of = cost_of
        self._waiting: dict[str, collections.deque[T]] = {}
        # Of each tenant that waits, once: (clock, a number that keeps the order of arrival, tenant).
        self._turns: list[tuple[float, int, str]] = []
        self._clocks: dict[str, float] = {}
        self._arrivals = itertools.count()
        self._now = 0.0
        self._many = _MANY

    def __bool__(self) -> bool:
        return bool(self._turns)

    def push(self, item: T) -> None:
        """Adds an item behind those of its tenant."""
        tenant = self._tenant_of(item)
        if tenant not in self._waiting:
            self._waiting[tenant] = collections.deque()
            self._line_up(tenant, max(self._clocks.pop(tenant, 0.0), self._now))
        self._waiting[tenant].append(item)

    def pop(self, fits: Callable[[T], bool] = lambda item: True) -> T | None:
        """Takes the next item; None if no tenant's first item fits.

        Args:
            fits: tells whether an item may be taken now.
        """
        passed = []
        found = None
        while self._turns and found is None:
            turn = heapq.heappop(self._turns)
            if fits(self._waiting[turn[-1]][0]):
                found = self._serve(*turn)
            else:
                passed.append(turn)
        for turn in passed:
            heapq.heappush(self._turns, turn)
        return found

    def _serve(self, clock: float, _arrival: int, tenant: str) -> T:
        items = self._waiting[tenant]
        item = items.popleft()
        self._now = max(self._now, clock)
        clock += self._cost_of(item)
        if items:
            self._line_up(tenant, clock)
        else:
            del self._waiting[tenant]
            self._clocks[tenant] = clock
            self._forget()
        return item

    def _line_up(self, tenant: str, clock: float) -> None:
        heapq.heappush(self._turns, (clock, next(self._arrivals), tenant))

    def _forget(self) -> None:
        """Drops the clocks of absent tenants that no longer tell anything."""
        if not self._waiting:
            # Nobody is left to be fair to: the present time moves on to the latest clock, and all start anew.
            self._now = max(self._clocks.values())
            self._clocks.clear()
        elif len(self._clocks) > self._many:
            self._clocks = {tenant: clock for tenant, clock in self._clocks.items() if clock > self._now}
            # Sweeping only once they have doubled keeps the cost of it low.
            self._many = max(_MANY, 2 * len(self._clocks))
