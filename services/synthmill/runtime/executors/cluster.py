"""A Ray cluster that this machine is a node of."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from types import ModuleType

from synthmill.runtime.errors import FailedPrecondition, InvalidField, PermissionDenied, Unavailable
from synthmill.runtime.executors.names import RAY, check_executor

VARIABLE = "RAY_ADDRESS"
"""Ray's own variable for the address of the cluster."""

AUTO = "auto"
"""The cluster that a node of this machine belongs to."""

_FIELD = "ray_address"
_ADDRESS = re.compile(r"(?P<host>[^/]+):(?P<port>\d{1,5})")
_WITHIN_S = 5.0


@contextlib.contextmanager
def connected(address: str = "") -> Iterator[ModuleType]:
    """Lends Ray, connected to a cluster for the with block; a program that is connected already stays so.

    Args:
        address: "host:port" of the cluster's head; empty means RAY_ADDRESS, else the cluster that has a node here.

    Raises:
        InvalidField: the address is malformed.
        FailedPrecondition: Ray is not installed, or in another version than on the cluster.
        PermissionDenied: the cluster wants a token, which Ray looks for in RAY_AUTH_TOKEN and other places.
        Unavailable: there is no such cluster, or it has no node here.
    """
    check_executor(RAY)
    import ray

    if ray.is_initialized():
        yield ray
        return
    target = address or os.environ.get(VARIABLE) or AUTO
    _require_reachable(target)
    try:
        # What tasks print stays in the cluster's logs: output here is for people, or is JSON.
        ray.init(address=target, log_to_driver=False, logging_level=logging.WARNING)
    except ray.exceptions.AuthenticationError as error:
        message = f"{_FIELD}: the Ray cluster at {target} takes no token of this process: {first_line(error)}"
        raise PermissionDenied(message, field=_FIELD, value=target) from error
    except ConnectionError as error:
        # Of a token that is refused, Ray says no more than that.
        told = f"no Ray cluster at {target} lets this process in: {first_line(error)}; it may want RAY_AUTH_TOKEN"
        raise Unavailable(f"{_FIELD}: {told}", field=_FIELD, value=target) from error
    except (RuntimeError, ValueError) as error:
        message = f"{_FIELD}: the Ray cluster at {target} cannot be used: {first_line(error)}"
        raise FailedPrecondition(message, field=_FIELD, value=target) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says; Ray's own go on for pages."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _require_reachable(target: str) -> None:
    """Asks for an answer at an address, as Ray itself would wait for minutes, and then end the process."""
    if target == AUTO:
        return
    found = _ADDRESS.fullmatch(target)
    if found is None:
        allowed = "host:port of the head of a cluster that this machine is a node of, or auto"
        raise InvalidField(_FIELD, target, allowed)
    try:
        socket.create_connection((found["host"], int(found["port"])), _WITHIN_S).close()
    except (OSError, OverflowError) as error:
        raise Unavailable(f"{_FIELD}: no Ray cluster at {target}: {error}", field=_FIELD, value=target) from error
