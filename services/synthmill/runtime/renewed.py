"""Channels that are opened anew when the files of their TLS have been replaced.

gRPC reads the certificate of a channel once, and would show it after it has expired for as long as the process lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Self, TypeVar

import grpc

from synthmill.runtime.watched import Watched

C = TypeVar("C", grpc.Channel, grpc.aio.Channel)


class _Renewing(Generic[C]):
    """Stands for the channel that was opened last; calls in flight stay on the one that they began on.

    Args:
        open_channel: opens a channel with the files as they are.
        paths: the files.
    """

    def __init__(self, open_channel: Callable[[], C], paths: Sequence[str]) -> None:
        self._open_channel = open_channel
        self._opened: list[C] = []
        self._watched = Watched(paths, self._open)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As of a channel."""
        return self._method("unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As of a channel."""
        return self._method("unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As of a channel."""
        return self._method("stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As of a channel."""
        return self._method("stream_stream", args, kwargs)

    def _open(self) -> C:
        channel = self._open_channel()
        self._opened.append(channel)
        return channel

    def _method(self, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
        made: tuple[C | None, Any] = (None, None)

        def call(*call_args: Any, **call_kwargs: Any) -> Any:
            nonlocal made
            channel = self._watched.get()
            if made[0] is not channel:
                made = (channel, getattr(channel, kind)(*args, **kwargs))
            return made[1](*call_args, **call_kwargs)

        return call


class Renewed(_Renewing[grpc.Channel]):
    """A channel for blocking code."""

    def close(self) -> None:
        """Ends all calls."""
        for channel in self._opened:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class RenewedAsync(_Renewing[grpc.aio.Channel]):
    """A channel for asyncio."""

    async def close(self, grace: float | None = None) -> None:
        """Ends all calls, after `grace` seconds."""
        for channel in self._opened:
            await channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
