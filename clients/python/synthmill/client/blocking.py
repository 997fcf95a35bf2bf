"""Makes blocking methods out of the coroutines of a class that works over a `BlockingEndpoint`."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

Core = TypeVar("Core")
P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Generic[Core]):
    """Base of the blocking twin of an asynchronous class; its methods are those of the class, without await.

    Args:
        core: an instance that works over blocking endpoints.
    """

    def __init__(self, core: Core) -> None:
        self._core = core


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a coroutine over blocking endpoints has suspended")


def iterate(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Iterates over an asynchronous generator that never suspends; closing the iterator closes it."""
    try:
        while True:
            try:
                item = run(anext(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(items.aclose())


def blocking(
    method: Callable[Concatenate[Core, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Blocking[Core], P], T]:
    """Makes the blocking form of a coroutine method."""

    @functools.wraps(method)
    def call(self: Blocking[Core], *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self._core, *args, **kwargs))

    return call


def blocking_iterator(
    method: Callable[Concatenate[Core, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Blocking[Core], P], Iterator[T]]:
    """Makes the blocking form of a method that is an asynchronous generator."""

    @functools.wraps(method)
    def call(self: Blocking[Core], *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return iterate(method(self._core, *args, **kwargs))

    return call
