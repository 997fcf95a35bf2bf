"""Channels whose failed calls raise errors of the tree, while a stream is read too."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import grpc

from synthmill.runtime.status import from_rpc_error

REQUEST_ID_KEY = "x-request-id"
_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# A chunk of a stream has about this size; read in smaller parts, it costs the client half as much processor time again.
_READ_BYTES = 1024 * 1024

# Only calls that change nothing, or carry a request_id, are repeated by the channel itself.
_REPEATABLE = {
    "CatalogService": (
        *("GetDataset", "ListDatasets", "ListImportIssues", "GetModel", "ListModels"),
        *("ImportDataset", "PublishDataset", "PublishModel"),
    ),
    "AugmentationService": (
        *("Augment", "Preview", "ListOperations", "ListReadyMadePolicies", "ResolvePolicy"),
        *("CreateAugmentationJob", "GetLineage"),
    ),
    "TrainingService": ("CreateTrainingJob", "ListFamilies"),
    "SamplingService": ("Sample", "CountLabels", "ListLoadedModels", "LoadModel"),
    "JobService": ("GetJob", "ListJobs"),
}
READING = (
    ("grpc.experimental.tcp_read_chunk_size", _READ_BYTES),
    ("grpc.experimental.tcp_min_read_chunk_size", _READ_BYTES),
    ("grpc.experimental.tcp_max_read_chunk_size", 4 * _READ_BYTES),
)
"""Options of a channel that large messages come through."""

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": f"synthmill.v1.{service}", "method": method}
                for service, methods in _REPEATABLE.items()
                for method in methods
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def connect(address: str) -> grpc.aio.Channel:
    """Opens a channel for asyncio; calls raise `SynthmillError`s."""
    interceptors = [_AsyncUnaryUnary(), _AsyncUnaryStream(), _AsyncStreamUnary(), _AsyncStreamStream()]
    return grpc.aio.insecure_channel(address, options=_options(), interceptors=interceptors)


def connect_sync(address: str) -> grpc.Channel:
    """Opens a channel for blocking code; calls raise `SynthmillError`s."""
    return grpc.intercept_channel(grpc.insecure_channel(address, options=_options()), _SyncErrors())


def _options() -> list[tuple[str, Any]]:
    return [
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        *READING,
        # A server that has vanished without a word is noticed within this, in the middle of a stream too.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2000),
        # A pooled connection to a server that has gone would delay the first call after its restart.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def _with_request_id(details: Any) -> Any:
    metadata: Sequence[tuple[str, Any]] = tuple(details.metadata or ())
    if any(key == REQUEST_ID_KEY for key, _ in metadata):
        return details
    metadata = (*metadata, (REQUEST_ID_KEY, uuid.uuid4().hex))
    return details._replace(metadata=metadata)


class _AsyncUnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        call = await continuation(_with_request_id(client_call_details), request)
        return await _answered(call)


class _AsyncStreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Callable, client_call_details: Any, request_iterator: Any
    ) -> Any:
        call = await continuation(_with_request_id(client_call_details), request_iterator)
        return await _answered(call)


class _AsyncUnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        return _read(await continuation(_with_request_id(client_call_details), request))


class _AsyncStreamStream(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Callable, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return _read(await continuation(_with_request_id(client_call_details), request_iterator))


async def _answered(call: Any) -> Any:
    try:
        await call
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    return call


async def _read(call: Any) -> AsyncIterator[Any]:
    try:
        async for answer in call:
            yield answer
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    finally:
        call.cancel()


class _SyncErrors(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    def intercept_unary_unary(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        return _result(continuation(_with_request_id(client_call_details), request))

    def intercept_stream_unary(self, continuation: Callable, client_call_details: Any, request_iterator: Any) -> Any:
        return _result(continuation(_with_request_id(client_call_details), request_iterator))

    def intercept_unary_stream(self, continuation: Callable, client_call_details: Any, request: Any) -> Any:
        return _SyncStream(continuation(_with_request_id(client_call_details), request))

    def intercept_stream_stream(self, continuation: Callable, client_call_details: Any, request_iterator: Any) -> Any:
        return _SyncStream(continuation(_with_request_id(client_call_details), request_iterator))


def _result(call: Any) -> Any:
    error = call.exception()
    if isinstance(error, grpc.RpcError):
        raise from_rpc_error(error) from error
    return call


class _SyncStream:
    """A call with a stream of answers, whose iteration raises errors of the tree."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
