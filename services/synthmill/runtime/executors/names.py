"""The words for where work is done."""

from __future__ import annotations

from importlib.util import find_spec

from synthmill.runtime.errors import FailedPrecondition, InvalidField

LOCAL, RAY = "local", "ray"
"""Processes of this machine; the nodes of a Ray cluster."""

EXECUTORS = (LOCAL, RAY)

FIELD = "executor"


def check_executor(name: str) -> str:
    """Returns the name of an executor that can be used here.

    Raises:
        InvalidField: there is none of this name.
        FailedPrecondition: it needs a package that is not installed.
    """
    if name not in EXECUTORS:
        raise InvalidField(FIELD, name, "one of " + ", ".join(EXECUTORS))
    if name == RAY and find_spec("ray") is None:
        raise FailedPrecondition(
            "executor: ray needs the package ray, which is not installed, allowed: local, or the extra: "
            "pip install 'synthmill[ray]'",
            field=FIELD,
            value=name,
            allowed="local, or the extra ray",
        )
    return name
