"""Streams that break where a test wants them to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from synthmill.runtime.errors import Unavailable

END_EARLY = "end early"
"""A fault: the stream ends as if all were well, before its time."""

BREAK = "break"
"""A fault: the stream ends with UNAVAILABLE."""


class Faults:
    """Says at which message each further stream ends too early; a stream that has no entry does not.

    Attributes:
        plan: pairs of (message before which it ends, kind of fault), a pair per stream.
        opened: number of streams so far.
    """

    def __init__(self) -> None:
        self.plan: list[tuple[int, str]] = []
        self.opened = 0

    def begin(self) -> tuple[int, str]:
        """Returns the fault of the next stream."""
        self.opened += 1
        return self.plan.pop(0) if self.plan else (-1, "")


async def faulty(messages: Iterator[Any], faults: Faults) -> AsyncIterator[Any]:
    """Passes messages on up to the stream's fault."""
    last, fault = faults.begin()
    for number, message in enumerate(messages):
        if number == last:
            if fault == BREAK:
                raise Unavailable("the fake breaks")
            return
        yield message
    if last >= 0 and fault == BREAK:
        raise Unavailable("the fake breaks at its end")
