"""Options that many verbs have, and what they mean."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from synthmill.cli.tracing import begin_trace

if TYPE_CHECKING:
    from synthmill.client import Client

N = TypeVar("N", int, float)

_SECONDS = {"s": 1, "m": 60, "h": 3600}

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Address = Annotated[
    list[str] | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="HOST[:BASE_PORT] of a `synthmill up`, or SERVICE=HOST:PORT; may be repeated.",
    ),
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A parameter; may be repeated.")]
Kind = Annotated[str, typer.Option("--kind", help="Kind of data; needed if more than one is installed.")]
Detach = Annotated[bool, typer.Option("--detach", help="Print the job and do not wait for it.")]


def number_option(name: str, kind: type[N], text: str, *, low: N | None = None, high: N | None = None) -> Any:
    """Declares an option that is a number; a bad one raises an error of the tree, which names field and value.

    Args:
        name: the option, "--count".
        kind: int or float.
        text: its line of help.
        low: least value allowed; None leaves that to the service.
        high: greatest value allowed.
    """
    allowed = "an integer" if kind is int else "a number"
    allowed += f" of at least {low}" if low is not None else ""
    allowed += f" and at most {high}" if high is not None else ""

    def parse(given: Any) -> N:
        from synthmill.runtime.errors import InvalidField

        try:
            value = kind(given)
        except ValueError:
            raise InvalidField(name, given, allowed) from None
        if (low is not None and value < low) or (high is not None and value > high):
            raise InvalidField(name, given, allowed)
        return value

    return typer.Option(name, parser=parse, metavar="N", help=text)


def duration_option(name: str, text: str) -> Any:
    """Declares an option that is a time: 90s, 10m, 2h; its value is in seconds.

    Args:
        name: the option, "--budget".
        text: its line of help.
    """

    def parse(given: Any) -> float:
        from synthmill.runtime.errors import InvalidField

        try:
            if isinstance(given, str):
                seconds = float(given[:-1]) * _SECONDS[given[-1:]]
                if not 0 < seconds < math.inf:
                    raise ValueError
                return seconds
            return float(given)
        except (ValueError, KeyError):
            raise InvalidField(name, given, "a time such as 90s, 10m or 2h") from None

    return typer.Option(name, parser=parse, metavar="TIME", help=text)


def connect(addresses: Sequence[str] | None, tenant: str | None = None) -> Client:
    """Makes the client that --address, --tenant and the environment ask for.

    Raises:
        InvalidField: an address is malformed, or of no service.
    """
    from synthmill.client import Client
    from synthmill.client.addresses import SERVICES
    from synthmill.runtime.errors import InvalidField

    base, given = None, {}
    for text in addresses or []:
        service, equals, target = text.partition("=")
        if not equals:
            base = text
        elif service in SERVICES:
            given[f"{service}_address"] = target
        else:
            allowed = "HOST[:BASE_PORT], or SERVICE=HOST:PORT with SERVICE one of " + ", ".join(SERVICES)
            raise InvalidField("--address", text, allowed)
    begin_trace()
    return Client(base, **given, tenant=tenant)


def parse_settings(settings: Sequence[str] | None) -> dict[str, Any]:
    """Reads KEY=VALUE pairs; a value in [...] or {...} is JSON, any other is text that the service converts.

    Raises:
        InvalidField: one is no such pair.
    """
    from synthmill.runtime.errors import InvalidField

    values: dict[str, Any] = {}
    for text in settings or []:
        key, equals, value = text.partition("=")
        if not equals or not key or key in values:
            raise InvalidField("--set", text, "KEY=VALUE, each key once")
        try:
            values[key] = json.loads(value) if value[:1] in ("[", "{") else value
        except ValueError:
            raise InvalidField("--set", text, "KEY=VALUE with valid JSON in [...] or {...}") from None
    return values


def resolve_kind(name: str) -> str:
    """Returns the kind asked for, or the only one there is.

    Raises:
        InvalidField: none is asked for, and several are installed.
    """
    from synthmill.kinds.registry import all_kinds
    from synthmill.runtime.errors import InvalidField

    if name or len(all_kinds()) == 1:
        return name or next(iter(all_kinds()))
    raise InvalidField("--kind", name, "one of " + ", ".join(sorted(all_kinds())))


def is_local(address: str) -> bool:
    """Tells whether a service is on this machine, so that it sees the same files."""
    from synthmill.runtime.addresses import is_loopback

    host = address.rpartition(":")[0].strip("[]")
    return is_loopback(address) or host == os.uname().nodename
