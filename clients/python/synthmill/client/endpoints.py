"""Two ways to reach a service behind one seam, so that everything above is written once.

Everything above is a coroutine. Over an `AsyncEndpoint` it runs in the caller's event loop. Over a `BlockingEndpoint`
it never suspends, so that `blocking.run` takes it from beginning to end in one step, without a loop and without a
thread: that also works where a loop is running already, as in a notebook, and in a forked process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from synthmill.client import crews, forking
from synthmill.client.blocking import run
from synthmill.runtime.channels import connect, connect_sync
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.errors import Internal, Unavailable

# What gRPC says for asyncio when a message cannot be sent because the stream has ended; how it ended it says no more.
_NOT_SENT = "Internal error from Core"
_NO_CREDENTIALS = Credentials()

P = ParamSpec("P")
T = TypeVar("T")


class Endpoint(ABC):
    """One service at one address; connects when it is first called.

    Args:
        service: its name, for messages.
        address: "host:port".
        credentials: what it is shown.
    """

    def __init__(self, service: str, address: str, credentials: Credentials = _NO_CREDENTIALS) -> None:
        self.service = service
        self.address = address
        self.credentials = credentials

    @abstractmethod
    async def unary(self, stub: type, method: str, request: Any, timeout_s: float) -> Any:
        """Calls a method with one answer."""

    @abstractmethod
    def stream(self, stub: type, method: str, request: Any, timeout_s: float) -> AsyncGenerator[Any, None]:
        """Calls a method with a stream of answers; closing the iterator cancels the call."""

    @abstractmethod
    async def upload(self, stub: type, method: str, requests: Iterable[Any], timeout_s: float) -> Any:
        """Calls a method that takes a stream."""

    @abstractmethod
    def exchange(self, stub: type, method: str, requests: Iterable[Any], timeout_s: float) -> AsyncGenerator[Any, None]:
        """Calls a method that takes a stream and answers with one; closing the iterator cancels the call."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Waits."""

    @abstractmethod
    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function that blocks."""

    @abstractmethod
    async def each(self, function: Callable[[T], Coroutine[Any, Any, None]], items: Iterable[T], limit: int) -> None:
        """Runs a coroutine for each item, up to `limit` at once; an error or an interruption stops all of them."""

    @abstractmethod
    async def close(self) -> None:
        """Ends the connection; the next call would open another."""

    def elsewhere(self) -> BlockingEndpoint:
        """Returns the same service for another process."""
        return BlockingEndpoint(self.service, self.address, self.credentials)

    @contextlib.contextmanager
    def _located(self) -> Iterator[None]:
        try:
            yield
        except Unavailable as error:
            # An error of gRPC's own has no details, and does not say which service it is about.
            if error.metadata:
                raise
            message = f"{self.service} at {self.address} is out of reach: {error.message}"
            raise Unavailable(message, service=self.service, address=self.address) from error


class AsyncEndpoint(Endpoint):
    """A service for asyncio; belongs to the event loop that first calls it."""

    _channel: Any = None

    async def unary(self, stub: type, method: str, request: Any, timeout_s: float) -> Any:
        with self._located():
            return await self._method(stub, method)(request, timeout=timeout_s)

    async def stream(self, stub: type, method: str, request: Any, timeout_s: float) -> AsyncGenerator[Any, None]:
        call = self._method(stub, method)(request, timeout=timeout_s)
        try:
            with self._located():
                async for message in call:
                    yield message
        finally:
            call.cancel()

    async def upload(self, stub: type, method: str, requests: Iterable[Any], timeout_s: float) -> Any:
        with self._located(), _Watched(requests) as watched:
            return await self._method(stub, method)(_in_thread(watched), timeout=timeout_s)

    async def exchange(
        self, stub: type, method: str, requests: Iterable[Any], timeout_s: float
    ) -> AsyncGenerator[Any, None]:
        with self._located(), _Watched(requests) as watched:
            call = self._method(stub, method)(_in_thread(watched), timeout=timeout_s)
            try:
                async for message in call:
                    yield message
            except Internal as error:
                if error.message != _NOT_SENT:
                    raise
                raise Unavailable("the stream ended while it was written to") from error
            finally:
                call.cancel()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        thread = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            # Whoever cancels goes on to close what the thread works with.
            await asyncio.wait([thread])
            thread.exception()
            raise

    async def each(self, function: Callable[[T], Coroutine[Any, Any, None]], items: Iterable[T], limit: int) -> None:
        waiting = iter(items)

        async def take() -> None:
            for item in waiting:
                await function(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(limit):
                    group.create_task(take())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    def _method(self, stub: type, method: str) -> Any:
        if self._channel is None:
            forking.note_use()
            self._channel = connect(self.address, self.credentials)
        return getattr(stub(self._channel), method)


class BlockingEndpoint(Endpoint):
    """A service for code that blocks; may be pickled, and used in a forked process, where it connects anew."""

    _channel: Any = None
    _owner = 0

    async def unary(self, stub: type, method: str, request: Any, timeout_s: float) -> Any:
        with self._located():
            return self._method(stub, method)(request, timeout=timeout_s)

    async def stream(self, stub: type, method: str, request: Any, timeout_s: float) -> AsyncGenerator[Any, None]:
        call = self._method(stub, method)(request, timeout=timeout_s)
        try:
            with self._located(), crews.watched(call):
                for message in call:
                    yield message
        finally:
            call.cancel()

    async def upload(self, stub: type, method: str, requests: Iterable[Any], timeout_s: float) -> Any:
        with self._located(), _Watched(requests) as watched:
            return self._method(stub, method)(iter(watched), timeout=timeout_s)

    async def exchange(
        self, stub: type, method: str, requests: Iterable[Any], timeout_s: float
    ) -> AsyncGenerator[Any, None]:
        with self._located(), _Watched(requests) as watched:
            call = self._method(stub, method)(iter(watched), timeout=timeout_s)
            try:
                with crews.watched(call):
                    for message in call:
                        yield message
            finally:
                call.cancel()

    async def sleep(self, seconds: float) -> None:
        crews.pause(seconds)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    async def each(self, function: Callable[[T], Coroutine[Any, Any, None]], items: Iterable[T], limit: int) -> None:
        crews.Crew().run(lambda item: run(function(item)), items, limit)

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None and self._owner == os.getpid():
            channel.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"service": self.service, "address": self.address, "credentials": self.credentials}

    def _method(self, stub: type, method: str) -> Any:
        if self._channel is None or self._owner != os.getpid():
            forking.note_use()
            self._channel, self._owner = connect_sync(self.address, self.credentials), os.getpid()
        return getattr(stub(self._channel), method)


class _Watched(Generic[T]):
    """Items whose own error, which gRPC would hide behind one of its own, is raised at the end of the with block."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[T]:
        try:
            yield from self._items
        except Exception as error:
            self._error = error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._error is not None:
            raise self._error from None


async def _in_thread(items: Iterable[T]) -> AsyncIterator[T]:
    """Takes items in a thread, because making them reads files."""
    iterator, end = iter(items), object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        yield item
