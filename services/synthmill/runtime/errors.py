"""The one tree of errors, on the wire and off it.

    SynthmillError
    ├── InvalidField         INVALID_ARGUMENT     a field has a value that is not allowed
    ├── OutOfRange           OUT_OF_RANGE         a number lies outside what the resource has
    ├── NotFound             NOT_FOUND            no such resource
    ├── AlreadyExists        ALREADY_EXISTS       the name or request_id is taken
    ├── FailedPrecondition   FAILED_PRECONDITION  the resource's state forbids it
    ├── GateRefused          FAILED_PRECONDITION  the gate is not passed, or nothing was evaluated
    ├── BadData              INVALID_ARGUMENT     the data cannot be used
    ├── BadGraph             INVALID_ARGUMENT     an ONNX file breaks the rules
    ├── DataLoss             DATA_LOSS            stored bytes are missing or damaged
    ├── ResourceExhausted    RESOURCE_EXHAUSTED   a limit was reached
    ├── Overloaded           RESOURCE_EXHAUSTED   too much is asked for at the moment; says when to try again
    ├── QuotaExceeded        RESOURCE_EXHAUSTED   the tenant has taken its share of the day
    ├── Unavailable          UNAVAILABLE          draining or not ready
    ├── StaleLease           ABORTED              a newer worker has taken over
    ├── Cancelled            CANCELLED            stopped on request
    ├── DeadlineExceeded     DEADLINE_EXCEEDED    the caller's deadline passed
    ├── Unauthenticated      UNAUTHENTICATED      no token, or one that stands for nobody
    ├── PermissionDenied     PERMISSION_DENIED    not allowed
    ├── Diverged             ABORTED              training left the finite numbers
    └── Internal             INTERNAL             a fault of ours

A class fixes the status code and the reason (an `ErrorReason` of the protos without its prefix). Details are strings in
`metadata`; `field`, `value` and `allowed` are the usual ones. Clients rebuild the class from the reason.
"""

from __future__ import annotations

from typing import Any, ClassVar

import grpc

_VALUE_LIMIT = 200


class SynthmillError(Exception):
    """An error with a status code, a reason and details by name."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = {key: _shorten(value) for key, value in metadata.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are copied by calling their class with `args`, which fits none of those below.
        return rebuild, (self.reason, self.message, self.metadata)


class _FieldError(SynthmillError):
    """An error about one field: which, the value seen, what is allowed."""

    def __init__(self, field: str, value: object, allowed: str, **metadata: object) -> None:
        super().__init__(
            f"{field}: got {_shorten(repr(value))}, allowed: {allowed}",
            field=field,
            value=value,
            allowed=allowed,
            **metadata,
        )


class InvalidField(_FieldError):
    """A field has a value that is not allowed."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_FIELD"


class OutOfRange(_FieldError):
    """A number lies outside what the resource has."""

    code = grpc.StatusCode.OUT_OF_RANGE
    reason = "OUT_OF_RANGE"


class NotFound(SynthmillError):
    """No such resource."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "NOT_FOUND"


class AlreadyExists(SynthmillError):
    """The name, or the request_id with another content, is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = "ALREADY_EXISTS"


class FailedPrecondition(SynthmillError):
    """The resource is not in a state that allows this."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "FAILED_PRECONDITION"


class GateRefused(SynthmillError):
    """The gate is not passed, or nothing was evaluated."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "GATE_REFUSED"


class BadData(SynthmillError):
    """The data cannot be used."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "BAD_DATA"


class BadGraph(SynthmillError):
    """An ONNX file breaks the rules for sampler graphs."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "BAD_GRAPH"


class DataLoss(SynthmillError):
    """Stored bytes are missing or do not match their digest."""

    code = grpc.StatusCode.DATA_LOSS
    reason = "DATA_LOSS"


class ResourceExhausted(SynthmillError):
    """A limit of size, memory or disk was reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "RESOURCE_EXHAUSTED"


class Overloaded(SynthmillError):
    """More is asked for than can be done at the moment; trying again later helps.

    Args:
        retry_after_s: seconds after which it may help.
    """

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"

    def __init__(self, message: str, *, retry_after_s: float, **metadata: object) -> None:
        super().__init__(message, retry_after_s=f"{retry_after_s:.3f}", **metadata)

    @property
    def retry_after_s(self) -> float:
        """Seconds after which trying again may help."""
        return float(self.metadata.get("retry_after_s", 0.0))


class QuotaExceeded(SynthmillError):
    """A tenant has taken what it may in a day; some of it comes back with every moment.

    Args:
        retry_after_s: seconds after which something is left again.
    """

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "QUOTA_EXCEEDED"

    def __init__(self, message: str, *, retry_after_s: float, **metadata: object) -> None:
        super().__init__(message, retry_after_s=f"{retry_after_s:.3f}", **metadata)


class Unavailable(SynthmillError):
    """The service is draining, not ready or out of reach; retrying may help."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "UNAVAILABLE"


class StaleLease(SynthmillError):
    """A newer lease holder has taken over this job; the write was rejected."""

    code = grpc.StatusCode.ABORTED
    reason = "STALE_LEASE"


class Cancelled(SynthmillError):
    """Stopped on request."""

    code = grpc.StatusCode.CANCELLED
    reason = "CANCELLED"


class DeadlineExceeded(SynthmillError):
    """The caller's deadline passed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Unauthenticated(SynthmillError):
    """There is no token, or it stands for nobody: expired, of another audience, signed by somebody else."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class PermissionDenied(SynthmillError):
    """Not allowed: the caller has not the role, or a path lies outside the allowed roots."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class Diverged(SynthmillError):
    """Training produced a number that is not finite.

    Args:
        step: training step at which it was seen, from 1.
        tensor: name of the loss or parameter.
    """

    code = grpc.StatusCode.ABORTED
    reason = "DIVERGED"

    def __init__(self, message: str, *, step: int, tensor: str, **metadata: object) -> None:
        super().__init__(message, step=step, tensor=tensor, **metadata)


class Internal(SynthmillError):
    """A fault of the service; its log has the details."""


def _concrete(base: type[SynthmillError]) -> list[type[SynthmillError]]:
    found = []
    for cls in base.__subclasses__():
        found += _concrete(cls) if cls is _FieldError else [cls]
    return found


BY_REASON: dict[str, type[SynthmillError]] = {cls.reason: cls for cls in _concrete(SynthmillError)}


def rebuild(reason: str, message: str, metadata: dict[str, str]) -> SynthmillError:
    """Makes the error that a service sent, from the parts that travelled.

    Args:
        reason: name of the reason; an unknown one gives a plain `SynthmillError`.
        message: text for people.
        metadata: details by name.
    """
    cls = BY_REASON.get(reason, SynthmillError)
    error = cls.__new__(cls)
    SynthmillError.__init__(error, message, **metadata)
    return error


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"
