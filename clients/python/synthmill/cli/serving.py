"""synthmill serve, and synthmill up."""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from synthmill.cli.options import Json, number_option
from synthmill.runtime.addresses import DEFAULT_BASE_PORT, PORT_OFFSETS, default_address
from synthmill.runtime.errors import FailedPrecondition, InvalidField

LAST_BASE_PORT = 65535 - max(PORT_OFFSETS.values())

# What a service asks beside the catalog.
_ASKS = {"evaluation": ["sampling"], "pipeline": ["augmentation", "training", "sampling", "evaluation"]}

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Click's settings of a command whose further flags are another program's."""


def serve(
    context: typer.Context,
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="catalog, training, sampling, ...")],
    until_parent_ends: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Run one service until SIGTERM.

    Its own settings follow; `synthmill serve SERVICE -- --help` lists them.
    """
    _require_existing(service)
    # From here on the signals are the service's own, and its default is to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if until_parent_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    run_service(service, context.args)


def run_service(service: str, flags: Sequence[str]) -> None:
    """Runs a service in this process.

    Raises:
        InvalidField: there is no such service.
        FailedPrecondition: what it needs is not installed.
    """
    _require_existing(service)
    sys.argv = [f"synthmill serve {service}", *flags]
    try:
        runpy.run_module(f"synthmill.{service}", run_name="__main__", alter_sys=False)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "synthmill":
            raise
        raise FailedPrecondition(
            f"{service} needs {package}, which is not installed: pip install 'synthmill[{service}]'",
            service=service,
            package=package,
        ) from None


def up(
    store: Annotated[
        Path, typer.Option(envvar="SYNTHMILL_STORE", help="Folder for all data; made if it is not there.")
    ] = Path("synthmill-store"),
    base_port: Annotated[
        int,
        number_option("--base-port", int, "The services listen just above this port.", low=1, high=LAST_BASE_PORT),
    ] = DEFAULT_BASE_PORT,
    as_json: Json = False,
) -> None:
    """Run all services on this machine; Ctrl-C stops them."""
    from synthmill.cli.supervisor import supervise

    store = store.absolute()
    commands = {service: _command(service, store, base_port) for service in existing_services()}
    status = supervise(commands, store / "logs", as_json)
    raise typer.Exit(status)


def existing_services() -> list[str]:
    """Returns the services that this version has, in the order of their ports."""
    packages = {service: f"synthmill.{service}" for service in PORT_OFFSETS}
    return [name for name, package in packages.items() if find_spec(package) and find_spec(f"{package}.__main__")]


def _require_existing(service: str) -> None:
    if service not in existing_services():
        raise InvalidField("SERVICE", service, "one of " + ", ".join(existing_services()))


def _command(service: str, store: Path, base_port: int) -> list[str]:
    host, _, port = default_address(service, base_port=base_port).rpartition(":")
    settings = {"--host": host, "--port": port, "--store": str(store)}
    for asked in ("catalog", *_ASKS.get(service, [])):
        settings[f"--{asked}-address"] = default_address(asked, base_port=base_port)
    flags = [part for setting in settings.items() for part in setting]
    return [sys.executable, "-m", "synthmill.cli", "serve", service, "--until-stdin-closes", *flags]


def _end_with_stdin() -> None:
    """Ends this process as an operator would, once the process that holds the other end of stdin is gone."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
