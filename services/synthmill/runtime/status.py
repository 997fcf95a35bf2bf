"""Errors of the tree to what travels on the wire, and back."""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from synthmill.runtime import errors
from synthmill.runtime.errors import SynthmillError

DOMAIN = "synthmill"
DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID_KEY = "x-request-id"

# What an error without our details means, such as one that gRPC itself made.
_BY_CODE: dict[grpc.StatusCode, type[SynthmillError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.BadData,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: errors.FailedPrecondition,
    grpc.StatusCode.DATA_LOSS: errors.DataLoss,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Cancelled,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
}


def to_details(error: SynthmillError) -> bytes:
    """Returns a serialised google.rpc.Status with an ErrorInfo, and a RetryInfo if the error says when to try again."""
    details = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)]
    if isinstance(error, errors.Overloaded):
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=error.code.value[0], message=error.message)
    for detail in details:
        status.details.add().Pack(detail)
    return status.SerializeToString()


def from_rpc_error(error: grpc.RpcError) -> SynthmillError:
    """Makes the error of the tree that a failed call stands for."""
    code, message = error.code(), error.details() or ""
    status = _status_of(error.trailing_metadata() or ())
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            return errors.rebuild(info.reason, status.message, dict(info.metadata))
    cls = _BY_CODE.get(code, errors.Internal)
    return errors.rebuild(cls.reason, message or code.name, {})


def _status_of(metadata: Iterable[tuple[str, str | bytes]]) -> status_pb2.Status:
    for key, value in metadata:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()
