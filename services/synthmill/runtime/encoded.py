"""Methods whose answers are the bytes of messages already, and requests that are not read by protobuf."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

import grpc

_NONE: Mapping[str, Callable[[bytes], Any]] = MappingProxyType({})


class EncodedMethods:
    """Takes the handlers that generated code makes, and hands them on to a server.

    Args:
        server: receives them.
        answers: methods whose answers are bytes.
        requests: reads the requests of a method, by its name.
    """

    def __init__(
        self,
        server: grpc.aio.Server,
        answers: Collection[str],
        requests: Mapping[str, Callable[[bytes], Any]] = _NONE,
    ) -> None:
        self._server, self._answers, self._requests = server, answers, requests

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the handlers come once more, by method."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
        """Adds the handlers, with what reads requests, and without what writes answers that are bytes."""
        adapted = {name: self._adapted(name, handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, adapted),))
        self._server.add_registered_method_handlers(service, adapted)

    def _adapted(self, name: str, handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
        return handler._replace(
            request_deserializer=self._requests.get(name, handler.request_deserializer),
            response_serializer=None if name in self._answers else handler.response_serializer,
        )
