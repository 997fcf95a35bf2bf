"""How long a measurement is, and work that is done over and over for as long."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from synthmill.bench.processes import own_cpu_seconds

_LONGEST_S = 300.0


@dataclasses.dataclass(frozen=True)
class Span:
    """How long a measurement is: a time, or a number of things.

    Attributes:
        seconds: the time.
        count: the number, which counts instead of the time; None if there is none.
    """

    seconds: float = 2.0
    count: int | None = None

    @property
    def limit_s(self) -> float:
        """After this long a measurement ends, however little it has seen."""
        return 10 * self.seconds if self.count is None else _LONGEST_S

    def is_over(self, elapsed_s: float, count: int) -> bool:
        """Tells whether a measurement has lasted long enough, having seen so many things."""
        enough = elapsed_s >= self.seconds if self.count is None else count >= self.count
        return enough or elapsed_s > self.limit_s


@dataclasses.dataclass(frozen=True)
class Repeated:
    """What work that was done over and over came to.

    Attributes:
        count: things done.
        seconds: how long it took.
        cpu_s: processor time of this process.
        latencies_us: how long each piece of work took, in microseconds.
    """

    count: int
    seconds: float
    cpu_s: float
    latencies_us: list[int]


def repeat(work: Callable[[], int], warm_s: float, span: Span) -> Repeated:
    """Does work over and over.

    Args:
        work: a piece of it; returns how many things it did.
        warm_s: time at the beginning that does not count; one piece is done in any case.
        span: how long to count.
    """
    warm_end = time.perf_counter() + warm_s
    work()
    while time.perf_counter() < warm_end:
        work()
    latencies_us, count, cpu_s = [], 0, own_cpu_seconds()
    now = begin = time.perf_counter()
    while not span.is_over(now - begin, count):
        count += work()
        sent, now = now, time.perf_counter()
        latencies_us.append(int((now - sent) * 1e6))
    return Repeated(count, now - begin, own_cpu_seconds() - cpu_s, latencies_us)
