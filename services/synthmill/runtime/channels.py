"""Channels whose failed calls raise errors of the tree, while a stream is read too."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc

from synthmill.runtime.credentials import Credentials
from synthmill.runtime.deadlines import within
from synthmill.runtime.renewed import Renewed, RenewedAsync
from synthmill.runtime.status import REQUEST_ID_KEY, from_rpc_error
from synthmill.runtime.tracing.calls import CallSpan, call_span

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# A chunk of a stream has about this size; read in smaller parts, it costs the client half as much processor time again.
_READ_BYTES = 1024 * 1024

# Which calls are repeated, and how long those that only read may take: what the protos say of each method.
_SERVICE_CONFIG = Path(__file__).with_name("service_config.json").read_text()
READING = (
    ("grpc.experimental.tcp_read_chunk_size", _READ_BYTES),
    ("grpc.experimental.tcp_min_read_chunk_size", _READ_BYTES),
    ("grpc.experimental.tcp_max_read_chunk_size", 4 * _READ_BYTES),
)
"""Options of a channel that large messages come through."""

_NONE = Credentials()


def connect(address: str, credentials: Credentials = _NONE) -> grpc.aio.Channel:
    """Opens a channel for asyncio; calls raise `SynthmillError`s.

    Args:
        address: "host:port", or another target that gRPC knows. A name that stands for several replicas spreads the
            calls over them.
        credentials: what the caller shows.

    Raises:
        InvalidField: a file of the credentials cannot be read, or a token would travel as plain text.
    """
    stamp = _Stamp(credentials, address)
    kinds = (_AsyncUnaryUnary, _AsyncUnaryStream, _AsyncStreamUnary, _AsyncStreamStream)
    interceptors = [kind(stamp) for kind in kinds]

    def open_channel() -> grpc.aio.Channel:
        secure = credentials.to_channel_credentials()
        if secure is None:
            return grpc.aio.insecure_channel(address, options=_options(address), interceptors=interceptors)
        return grpc.aio.secure_channel(address, secure, options=_options(address), interceptors=interceptors)

    return RenewedAsync(open_channel, credentials.tls_files) if credentials.tls_files else open_channel()


def connect_sync(address: str, credentials: Credentials = _NONE) -> grpc.Channel:
    """Opens a channel for blocking code; as `connect`."""
    errors = _SyncErrors(_Stamp(credentials, address))

    def open_channel() -> grpc.Channel:
        secure = credentials.to_channel_credentials()
        if secure is None:
            channel = grpc.insecure_channel(address, options=_options(address))
        else:
            channel = grpc.secure_channel(address, secure, options=_options(address))
        return grpc.intercept_channel(channel, errors)

    return Renewed(open_channel, credentials.tls_files) if credentials.tls_files else open_channel()


def _options(address: str) -> list[tuple[str, Any]]:
    scheme, colon, listed = address.partition(":")
    # Certificates are checked against one name; of a list of addresses, gRPC would take all of it.
    named = [("grpc.default_authority", listed.split(",")[0])] if colon and scheme in ("ipv4", "ipv6") else []
    return [
        *named,
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.service_config", _SERVICE_CONFIG),
        *READING,
        # A server that has vanished without a word is noticed within this, in the middle of a stream too.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # A pooled connection to a server that has gone would delay the first call after its restart.
        ("grpc.use_local_subchannel_pool", 1),
    ]


class _Stamp:
    """Adds to a call what every call has: a request id, its trace, the caller's token, and how much time is left."""

    def __init__(self, credentials: Credentials, address: str) -> None:
        self._token = credentials.watch_token(address)

    def __call__(self, details: Any, span: CallSpan) -> Any:
        metadata: list[tuple[str, Any]] = [*(details.metadata or ()), *span.headers.items()]
        if not any(key == REQUEST_ID_KEY for key, _ in metadata):
            metadata.append((REQUEST_ID_KEY, uuid.uuid4().hex))
        if self._token:
            metadata.append(("authorization", f"Bearer {self._token.get()}"))
        return details._replace(metadata=tuple(metadata), timeout=within(details.timeout))


class _Interceptor:
    def __init__(self, stamp: _Stamp) -> None:
        self._stamp = stamp


class _AsyncUnaryUnary(_Interceptor, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        with call_span(client_call_details.method) as span:
            call = await continuation(self._stamp(client_call_details, span), request)
            return await _answered(call)


class _AsyncStreamUnary(_Interceptor, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Callable, client_call_details: Any, request_iterator: Any
    ) -> Any:
        with call_span(client_call_details.method) as span:
            call = await continuation(self._stamp(client_call_details, span), request_iterator)
            return await _answered(call)


class _AsyncUnaryStream(_Interceptor, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        span = call_span(client_call_details.method)
        return _read(await continuation(self._stamp(client_call_details, span), request), span)


class _AsyncStreamStream(_Interceptor, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Callable, client_call_details: Any, request_iterator: Any
    ) -> Any:
        span = call_span(client_call_details.method)
        return _read(await continuation(self._stamp(client_call_details, span), request_iterator), span)


async def _answered(call: Any) -> Any:
    try:
        await call
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    return call


async def _read(call: Any, span: CallSpan) -> AsyncIterator[Any]:
    with span:
        try:
            async for answer in call:
                yield answer
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()


class _SyncErrors(
    _Interceptor,
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def intercept_unary_unary(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        with call_span(client_call_details.method) as span:
            return _result(continuation(self._stamp(client_call_details, span), request))

    def intercept_stream_unary(self, continuation: Callable, client_call_details: Any, request_iterator: Any) -> Any:
        with call_span(client_call_details.method) as span:
            return _result(continuation(self._stamp(client_call_details, span), request_iterator))

    def intercept_unary_stream(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        span = call_span(client_call_details.method)
        return _SyncStream(continuation(self._stamp(client_call_details, span), request), span)

    def intercept_stream_stream(self, continuation: Callable, client_call_details: Any, request_iterator: Any) -> Any:
        span = call_span(client_call_details.method)
        return _SyncStream(continuation(self._stamp(client_call_details, span), request_iterator), span)


def _result(call: Any) -> Any:
    error = call.exception()
    if isinstance(error, grpc.RpcError):
        raise from_rpc_error(error) from error
    return call


class _SyncStream:
    """A call with a stream of answers, whose iteration raises errors of the tree."""

    def __init__(self, call: Any, span: CallSpan) -> None:
        self._call = call
        span.end_with(call)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
