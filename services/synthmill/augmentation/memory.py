"""Decides at once whether a call is taken or shed, by the memory that it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from synthmill.augmentation import metrics
from synthmill.runtime.errors import Overloaded
from synthmill.v1 import status_pb2

# A few batches have ended by then.
_RETRY_AFTER_S = 0.1


class Memory:
    """What the calls under way hold; belongs to one event loop.

    Args:
        total_bytes: what they may hold together.

    Attributes:
        total_bytes: the same.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self._held = 0
        metrics.HELD_BYTES.set_function(lambda: self._held)

    async def report(self, status: status_pb2.ServiceStatus) -> None:
        """Adds what they hold to a status."""
        status.gauges.add(name="held_bytes", value=self._held, unit="bytes")

    @contextlib.contextmanager
    def hold(self, size_bytes: int) -> Iterator[None]:
        """Holds what a call needs for the length of the with block; a call alone is always taken.

        Raises:
            Overloaded: there is not as much left.
        """
        if self._held and self._held + size_bytes > self.total_bytes:
            metrics.SHED.inc()
            raise Overloaded(
                f"the service is overloaded: records under way take {self._held} bytes", retry_after_s=_RETRY_AFTER_S
            )
        self._held += size_bytes
        try:
            yield
        finally:
            self._held -= size_bytes
