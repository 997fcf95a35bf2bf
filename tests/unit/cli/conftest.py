"""The command, run in this process against the fake services."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from unit.client.fakes.server import FakeServices, running_services

from synthmill.cli.main import main
from synthmill.runtime.addresses import address_variable


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command did.

    Attributes:
        code: exit code.
        out: its stdout.
        err: its stderr.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def services(monkeypatch) -> Iterator[FakeServices]:
    with running_services() as services:
        for service, address in services.addresses.items():
            monkeypatch.setenv(address_variable(service), address)
        yield services


@pytest.fixture
def run(monkeypatch, capsys) -> Iterator[Run]:
    """Runs the command with arguments."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["synthmill", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        else:
            code = 0
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
