"""Requests that are no messages of their method: refused as such, where gRPC would tell of a fault of the service."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from synthmill.runtime.errors import BadData

Deserializer = Callable[[bytes], Any]


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """Stands where the message would be.

    Attributes:
        size_bytes: of what came instead.
        why: what is wrong with it.
    """

    size_bytes: int
    why: str


def tolerant(deserialize: Deserializer | None) -> Deserializer | None:
    """Returns a deserializer that raises nothing: what is no message becomes an `Unreadable`."""
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return Unreadable(len(data), str(error))

    return read


def readable(handler: grpc.RpcMethodHandler) -> Callable[[Any, Any], Any]:
    """Returns what answers a method, and raises BadData for what is no message, in a stream where it comes."""
    behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    if handler.request_streaming:
        return lambda requests, context: behaviour(_Readable(requests), context)
    return lambda request, context: behaviour(_checked(request), context)


class _Readable:
    """The messages of a stream of requests."""

    def __init__(self, requests: AsyncIterator[Any]) -> None:
        self._requests = requests.__aiter__()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return _checked(await anext(self._requests))


def _checked(request: Any) -> Any:
    if isinstance(request, Unreadable):
        raise BadData(
            f"the request of {request.size_bytes:,} bytes is no message of this method: {request.why}",
            field="request",
            value=f"{request.size_bytes} bytes",
            allowed="a serialised message of the method's request type",
        )
    return request
