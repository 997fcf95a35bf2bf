"""Sends requests as bytes, several at a time, and tells what became of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import grpc
from fuzz.strategies import Request
from google.rpc import error_details_pb2, status_pb2

from synthmill.runtime.status import DETAILS_KEY, DOMAIN

AT_ONCE = 8
"""Calls in flight."""

_LIMITS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 64 << 20)]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        request: what was sent.
        code: of the status; OK too where the caller had read enough.
        message: of the status.
        reason: of our own details, empty where there are none.
    """

    request: Request
    code: grpc.StatusCode
    message: str = ""
    reason: str = ""


class Caller:
    """Channels to services; the bytes that go through them are nobody's business."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._channels = {name: grpc.insecure_channel(address, _LIMITS) for name, address in addresses.items()}
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def close(self) -> None:
        """Closes the channels."""
        self._pool.shutdown()
        for channel in self._channels.values():
            channel.close()

    def send_all(self, requests: Iterable[Request]) -> Iterator[Outcome]:
        """Sends requests, several at a time, and yields the outcomes in order."""
        return self._pool.map(self.send, requests)

    def send(self, request: Request) -> Outcome:
        """Sends one request and waits for its end."""
        channel, method = self._channels[request.method.service], request.method
        form = f"{'stream' if method.streams_in else 'unary'}_{'stream' if method.streams_out else 'unary'}"
        messages = iter(request.messages) if method.streams_in else request.messages[0]
        call = getattr(channel, form)(method.path)
        try:
            if method.streams_out:
                self._read(call(messages, timeout=request.timeout_s, metadata=request.metadata), request.reads)
            elif request.reads:
                call(messages, timeout=request.timeout_s, metadata=request.metadata)
            else:
                call.future(messages, timeout=request.timeout_s, metadata=request.metadata).cancel()
        except grpc.RpcError as error:
            return Outcome(request, error.code(), error.details() or "", _reason(error))
        return Outcome(request, grpc.StatusCode.OK)

    def _read(self, call: grpc.Call, reads: int) -> None:
        for _ in range(reads):
            if next(call, None) is None:
                return
        call.cancel()


def _reason(error: grpc.RpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == DOMAIN:
                    return info.reason
    return ""
