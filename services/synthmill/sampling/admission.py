"""Decides at once whether a request is taken or shed, by the time and the memory it needs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from synthmill.runtime.errors import Overloaded
from synthmill.sampling import metrics

# A client that is told to come back sooner would only be refused again.
_LEAST_RETRY_S = 0.05


@dataclasses.dataclass
class Cost:
    """What a request needs.

    Attributes:
        seconds: of one worker's time.
        rows: samples.
        size_bytes: memory for its answer, or for as much of a stream as is under way at once.
    """

    seconds: float
    rows: int
    size_bytes: int


class Admission:
    """The requests that were taken and have not ended; belongs to one event loop.

    Small requests add up: it is the samples asked for that count, at what each costs, and the bytes of the answers.

    Attributes:
        rows: samples asked for.
        size_bytes: memory for their answers under way.

    Args:
        max_wait_s: a request that would wait for longer is shed.
        max_bytes: memory for answers under way.
        workers: batches computed at the same time.
    """

    def __init__(self, max_wait_s: float, max_bytes: int, workers: int) -> None:
        self._max_wait_s = max_wait_s
        self._max_bytes = max_bytes
        self._workers = workers
        self._seconds = 0.0
        self.rows = 0
        self.size_bytes = 0
        # Read when asked for: counting each request up and down would cost more than admitting it.
        metrics.QUEUED_ROWS.set_function(lambda: self.rows)
        metrics.QUEUED_BYTES.set_function(lambda: self.size_bytes)

    @contextlib.contextmanager
    def admit(self, cost: Cost) -> Iterator[None]:
        """Holds what a request needs for the length of the with block.

        A request is always taken when nothing else is under way.

        Raises:
            Overloaded: it would wait for too long, or there is no memory for it.
        """
        wait_s = self._seconds / self._workers
        if wait_s > self._max_wait_s:
            raise self._shed("time", wait_s - self._max_wait_s, f"requests wait for {wait_s:.1f} s")
        if self.size_bytes and self.size_bytes + cost.size_bytes > self._max_bytes:
            raise self._shed("memory", wait_s, f"answers under way take {self.size_bytes} bytes")
        self._add(cost, 1)
        try:
            yield
        finally:
            self._add(cost, -1)

    def _add(self, cost: Cost, sign: int) -> None:
        self._seconds = max(0.0, self._seconds + sign * cost.seconds)
        self.rows += sign * cost.rows
        self.size_bytes += sign * cost.size_bytes

    def _shed(self, reason: str, retry_after_s: float, state: str) -> Overloaded:
        metrics.SHED.labels(reason).inc()
        return Overloaded(f"the service is overloaded: {state}", retry_after_s=max(retry_after_s, _LEAST_RETRY_S))
