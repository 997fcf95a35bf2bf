"""Computes the next parts of a stream while the last one is being sent."""

from __future__ import annotations

import asyncio
import collections
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")

Stopped = Callable[[], bool]
"""Says whether nobody waits for the result any more."""


async def compute_ahead(
    parts: Iterable[range], compute: Callable[[range, Stopped], T], executor: Executor, window: int
) -> AsyncIterator[T]:
    """Yields the result of every part in order, with at most `window` of them computed before they are taken.

    However the iteration ends, it is over only when no computation of it runs any more.

    Args:
        parts: what to compute.
        compute: runs in the executor; it should look at its second argument now and then.
        executor: where to compute.
        window: results that may be under way or waiting.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()
    waiting: collections.deque[asyncio.Future[T]] = collections.deque()
    try:
        for part in parts:
            waiting.append(loop.run_in_executor(executor, compute, part, stop.is_set))
            if len(waiting) == window:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    # Not an except clause: a client that goes away shows as CancelledError, GeneratorExit or an error of gRPC's own.
    finally:
        stop.set()
        await asyncio.gather(*waiting, return_exceptions=True)
