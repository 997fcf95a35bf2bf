"""Rates of streams, from the times at which things arrive."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

from synthmill.bench.processes import cpu_seconds, own_cpu_seconds
from synthmill.bench.span import Span
from synthmill.bench.statistics import Figures

_LEAST_ARRIVALS = 3
_MEANS = ("client_busy", "client_cpu_s_per_gib")


class Arrivals:
    """Counts what arrives on several streams, and knows when it has seen enough of each.

    The rate of a stream is taken between two of its arrivals, so that a large message that comes seldom is not counted
    to a window it was not made in.

    Args:
        streams: number of streams.
        warm_s: time from the moment every stream has brought something; what comes in it is not counted.
        span: how long to count, at least.
        clock: tells the time in seconds.
        service_cpu: tells the processor time of the service in seconds, if that can be known.

    Attributes:
        enough: whether there is enough to tell the rates.
        limit_s: after this long there is enough, however little it is.
    """

    def __init__(
        self,
        streams: int,
        warm_s: float,
        span: Span,
        clock: Callable[[], float] = time.perf_counter,
        service_cpu: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._service_cpu = service_cpu
        self._service_cpu_s = 0.0
        self._warm_s = warm_s
        self._span = span
        self.limit_s = warm_s + span.limit_s
        self._seen: list[list[tuple[float, int, int]]] = [[] for _ in range(streams)]
        self._begun: set[int] = set()
        self._start = float("inf")
        self._counted = 0
        self._cpu_s = 0.0
        self.enough = False

    def add(self, stream: int, count: int, size_bytes: int) -> None:
        """Counts what has just arrived: so many things, of that size together."""
        now = self._clock()
        if stream not in self._begun:
            self._begun.add(stream)
            if len(self._begun) == len(self._seen):
                self._start = now + self._warm_s
            return
        if now < self._start or self.enough:
            return
        if not any(self._seen):
            self._note_cpu()
        self._seen[stream].append((now, count, size_bytes))
        self._counted += count
        elapsed_s = now - self._start
        all_seen = self._span.is_over(elapsed_s, self._counted) and min(map(len, self._seen)) >= _LEAST_ARRIVALS
        if all_seen or elapsed_s > self.limit_s:
            self.enough = True
            self._note_cpu()

    def figures(self, unit: str) -> dict[str, float]:
        """Returns rates in things and bytes a second, and the processor time of this process.

        Args:
            unit: what the things are called: "samples" makes "samples_per_s".

        Raises:
            ValueError: a stream brought too little.
        """
        if not self.enough or min(map(len, self._seen)) < 2:
            raise ValueError(f"only {min(map(len, self._seen))} messages came on a stream; measure for longer")
        received = sum(size for seen in self._seen for _, _, size in seen)
        times = [arrival[0] for seen in self._seen for arrival in seen]
        return {
            f"{unit}_per_s": sum(_rate(seen, 1) for seen in self._seen),
            "bytes_per_s": sum(_rate(seen, 2) for seen in self._seen),
            "messages": sum(map(len, self._seen)),
            "client_busy": self._cpu_s / (max(times) - min(times)),
            "client_cpu_s_per_gib": self._cpu_s / received * (1 << 30),
            **self._efficiency(unit),
        }

    def _note_cpu(self) -> None:
        """Makes the processor times those since it was last called."""
        self._cpu_s = own_cpu_seconds() - self._cpu_s
        if self._service_cpu is not None:
            self._service_cpu_s = self._service_cpu() - self._service_cpu_s

    def _efficiency(self, unit: str) -> dict[str, float]:
        if not self._service_cpu_s:
            return {}
        # What the first message to be counted brought was made before.
        _, first, _ = min(arrival for seen in self._seen for arrival in seen)
        return {f"{unit}_per_cpu_s": (self._counted - first) / self._service_cpu_s}


def count_arrivals(streams: int, warm_s: float, span: Span, pid: int | None) -> Arrivals:
    """Makes what counts arrivals; `pid` is the process of the service, whose processor time is then told too."""
    service_cpu = None if pid is None else functools.partial(cpu_seconds, pid)
    return Arrivals(streams, warm_s, span, service_cpu=service_cpu)


def add_up(found: Sequence[Figures]) -> Figures:
    """Makes figures of streams in several processes, given what each of them found."""
    totals = {name: sum(figures[name] for figures in found) for name in found[0]}
    return totals | {name: totals[name] / len(found) for name in _MEANS}


def _rate(seen: Sequence[tuple[float, int, int]], field: int) -> float:
    return sum(arrival[field] for arrival in seen[1:]) / (seen[-1][0] - seen[0][0])
