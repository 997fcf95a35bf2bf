"""The toy service as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

TESTS = str(Path(__file__).resolve().parents[1])
SEARCH_PATH = os.pathsep.join(filter(None, [TESTS, os.environ.get("PYTHONPATH")]))
DEADLINE_S = 20


class Toy:
    """The toy service as a process.

    Attributes:
        ready: its line that says where it serves; empty if it did not begin.
    """

    def __init__(self, folder: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.log = folder / "toy.log"
        command = [sys.executable, "-m", "support.toy_service", "--store", str(folder), "--port", "0", *flags]
        with self.log.open("wb") as log:
            environment = {**os.environ, "PYTHONPATH": SEARCH_PATH, **(env or {})}
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        self.ready = json.loads(self.process.stdout.readline() or "{}")

    @property
    def address(self) -> str:
        """Where it serves."""
        return self.ready["address"]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends it a signal and returns its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        return status

    def lines(self) -> list[dict]:
        """Returns what it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]
