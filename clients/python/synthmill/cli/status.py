"""synthmill status."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthmill.cli.options import Address, Json, connect
from synthmill.cli.output import show, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synthmill.client import Client, ServiceReport

_EVERY_S = 2.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on, every two seconds, until Ctrl-C.")] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Show how the services are doing.

    That is their jobs, models, queues, memory and GPUs. Exits as UNAVAILABLE does if a service does not serve. With
    --watch and --json, a line each time.
    """
    with connect(address) as client:
        if watch:
            _watch(client, as_json)
        reports = client.status()
    _show(reports, as_json)
    _require_serving(reports)


def _watch(client: Client, as_json: bool) -> None:
    """Shows the status again and again, in place on a terminal."""
    if as_json or not sys.stdout.isatty():
        while True:
            _show(client.status(), as_json)
            time.sleep(_EVERY_S)

    from rich.live import Live
    from rich.text import Text

    from synthmill.cli.status_tables import status_text

    with Live(screen=True, auto_refresh=False) as live:
        while True:
            live.update(
                Text(status_text(client.status(), time.time()), no_wrap=True, overflow="ellipsis"), refresh=True
            )
            time.sleep(_EVERY_S)


def _show(reports: Sequence[ServiceReport], as_json: bool) -> None:
    from synthmill.cli.status_tables import status_text

    show({"services": [_to_json(report) for report in reports]}, as_json, status_text(reports, time.time()))


def _to_json(report: ServiceReport) -> dict[str, Any]:
    return {
        "service": report.service,
        "address": report.address,
        "state": report.state,
        "latency_s": report.latency_s,
        "error": report.error,
        "status": to_json(report.status) if report.status else None,
    }


def _require_serving(reports: Sequence[ServiceReport]) -> None:
    from synthmill.client.status import SERVING
    from synthmill.runtime.errors import Unavailable

    away = [report.service for report in reports if report.state != SERVING]
    if away:
        raise Unavailable(f"{len(away)} of {len(reports)} services do not serve: {', '.join(away)}")
