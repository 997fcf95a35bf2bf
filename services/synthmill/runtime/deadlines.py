"""How long a call may still take, which holds for the calls that it makes too."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

T = TypeVar("T")

_call: contextvars.ContextVar[grpc.aio.ServicerContext | None] = contextvars.ContextVar("synthmill_call", default=None)


def begin_call(context: grpc.aio.ServicerContext) -> None:
    """Says which call this task answers."""
    _call.set(context)


def within(timeout_s: float | None) -> float | None:
    """Returns the time that another call may take: `timeout_s`, or less if the call that is answered has less left."""
    answered = _call.get()
    left_s = answered.time_remaining() if answered is not None else None
    if left_s is None or timeout_s is None:
        return timeout_s if left_s is None else left_s
    return min(timeout_s, left_s)


def begin_shared(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begins work that later calls may wait for too, so that the deadline of the first does not hold for it."""
    context = contextvars.copy_context()
    context.run(_call.set, None)
    return asyncio.create_task(work, context=context)
