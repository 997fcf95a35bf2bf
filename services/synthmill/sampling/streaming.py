"""Computes the next parts of a stream while the last one is being sent."""

from __future__ import annotations

import collections
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from synthmill.sampling.work import Work


async def compute_ahead(parts: Iterable[range], submit: Callable[[range], Work], window: int) -> AsyncIterator[Any]:
    """Yields the answer of every part in order, with at most `window` of them computed before they are taken.

    The place of an answer is filled before the answer is sent, so that no worker waits for the network. However the
    iteration ends, what is still under way is abandoned: none of it begins another batch.

    Args:
        parts: what to compute.
        submit: queues a part.
        window: answers that may be under way or waiting while another one is being sent.
    """
    left = iter(parts)
    waiting = collections.deque(submit(part) for part in itertools.islice(left, window))
    try:
        while waiting:
            answer = await waiting[0].future
            waiting.popleft()
            waiting.extend(submit(part) for part in itertools.islice(left, 1))
            yield answer
    # Not an except clause: a client that goes away shows as CancelledError, GeneratorExit or an error of gRPC's own.
    finally:
        for work in waiting:
            work.abandon()
