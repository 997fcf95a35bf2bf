"""Methods whose answers are the bytes of messages already."""

from __future__ import annotations

from collections.abc import Collection

import grpc


class EncodedAnswers:
    """Takes the handlers that generated code makes, and hands them on to a server.

    Args:
        server: receives them.
        methods: whose answers are bytes.
    """

    def __init__(self, server: grpc.aio.Server, methods: Collection[str]) -> None:
        self._server, self._methods = server, methods

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Does nothing: the handlers come once more, by method."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
        """Adds the handlers, without a serialiser where the method's answers are bytes."""
        adapted = {
            name: handler._replace(response_serializer=None) if name in self._methods else handler
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, adapted),))
        self._server.add_registered_method_handlers(service, adapted)
