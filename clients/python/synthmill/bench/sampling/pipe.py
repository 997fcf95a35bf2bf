"""The bare gRPC server that the service is compared with: `python -m synthmill.bench.sampling.pipe`.

It does nothing but send bytes that were there before, through serialisers that leave them as they are. It prints its
address as a line of JSON and ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator

import grpc

from synthmill.bench.sampling.wire import ECHO, PUMP, echo_answer_bytes

MESSAGE_BYTES = 1 << 20
_MAX_MESSAGE_BYTES = 64 << 20


class Pipe:
    """Sends slices of the same bytes."""

    def __init__(self) -> None:
        self._answers: dict[int, bytes] = {}

    async def echo(self, request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        """Answers with as many bytes as the request asks for."""
        return self._answer(echo_answer_bytes(request))

    async def pump(self, request: bytes, _context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        """Streams messages of the size asked for until the client is gone."""
        message = self._answer(echo_answer_bytes(request))
        while True:
            yield message

    def _answer(self, size: int) -> bytes:
        if size not in self._answers:
            self._answers[size] = bytes(size)
        return self._answers[size]


async def serve() -> None:
    """Serves until the input ends."""
    pipe = Pipe()
    options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(options=options)
    service, echo = ECHO[1:].split("/")
    handlers = {
        echo: grpc.unary_unary_rpc_method_handler(pipe.echo),
        PUMP.rpartition("/")[2]: grpc.unary_stream_rpc_method_handler(pipe.pump),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    # A Ctrl-C goes to all processes of a terminal; the one that started this one ends it in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve())
