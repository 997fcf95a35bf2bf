"""Threads that do one thing each of many, and that an error in one of them, or an interruption, stops at once.

What blocks in such a thread has to know of its crew: a call is watched, so that it can be cancelled, and a pause ends
when the crew is stopped.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")

# What a thread does after it was stopped takes no longer, unless the disk hangs.
_PATIENCE_S = 20.0


class Call(Protocol):
    """What can be watched."""

    def cancel(self) -> object:
        """Ends the call, whose reader then gets an error."""


class Stopped(Exception):
    """The crew of this thread was stopped."""


class Crew:
    """Threads that share some work."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._calls: set[Call] = set()
        self._errors: list[BaseException] = []

    def run(self, function: Callable[[T], None], items: Iterable[T], limit: int) -> None:
        """Calls a function with each item, in the order of the items, up to `limit` at once.

        Raises:
            BaseException: the first that a call has raised; the calls that had begun have ended.
        """
        waiting = iter(items)
        # Daemons, because an interpreter that is told to end must not wait for a disk that hangs.
        begun: list[threading.Event] = []
        try:
            for _ in range(limit):
                # A thread cannot be joined again after a join that a signal has broken off.
                begun.append(threading.Event())
                threading.Thread(target=self._take, args=(function, waiting, begun[-1]), daemon=True).start()
            for ended in begun:
                ended.wait()
        finally:
            self._stop()
            for ended in begun:
                ended.wait(_PATIENCE_S)
        if self._errors:
            raise self._errors[0]

    @contextlib.contextmanager
    def watch(self, call: Call) -> Iterator[None]:
        """Cancels a call when the crew is stopped while the with block lasts."""
        with self._lock:
            self._calls.add(call)
        if self._stopped.is_set():
            call.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._calls.discard(call)

    def pause(self, seconds: float) -> None:
        """Waits.

        Raises:
            Stopped: the crew was stopped.
        """
        if self._stopped.wait(seconds):
            raise Stopped

    def _take(self, function: Callable[[T], None], waiting: Iterator[T], ended: threading.Event) -> None:
        _current.set(self)
        try:
            while (item := self._next(waiting)) is not None:
                function(item)
        except Stopped:
            pass
        except BaseException as error:
            self._errors.append(error)
            self._stop()
        finally:
            ended.set()

    def _next(self, waiting: Iterator[T]) -> T | None:
        with self._lock:
            return None if self._stopped.is_set() else next(waiting, None)

    def _stop(self) -> None:
        self._stopped.set()
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel()


_current: ContextVar[Crew | None] = ContextVar("crew", default=None)


@contextlib.contextmanager
def watched(call: Call) -> Iterator[None]:
    """Has the crew of this thread, if it is in one, watch a call."""
    crew = _current.get()
    with crew.watch(call) if crew else contextlib.nullcontext():
        yield


def pause(seconds: float) -> None:
    """Waits, as long as the crew of this thread, if it is in one, is not stopped.

    Raises:
        Stopped: it was.
    """
    crew = _current.get()
    if crew is None:
        time.sleep(seconds)
    else:
        crew.pause(seconds)
