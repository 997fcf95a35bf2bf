"""Starts and ends the services as a user would: with `synthmill up`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from synthmill.client import Client
from synthmill.runtime.addresses import DEFAULT_BASE_PORT, PORT_OFFSETS
from synthmill.runtime.errors import SynthmillError

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0


@contextlib.contextmanager
def running_services(store: Path, allowed_root: Path) -> Iterator[Client]:
    """Runs all services for the length of a with block and yields a client of theirs.

    Raises:
        RuntimeError: they did not become ready.
    """
    base_port = _free_base_port()
    command = [str(Path(sys.executable).with_name("synthmill")), "up", "--store", str(store)]
    log_path = store.parent / "services.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--base-port", str(base_port)],
            stderr=log,
            env={**os.environ, "SYNTHMILL_ALLOWED_ROOTS": str(allowed_root)},
        )
    try:
        with Client(f"127.0.0.1:{base_port}") as client:
            _wait_until_ready(client, process, log_path)
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_WITHIN_S)


def _wait_until_ready(client: Client, process: subprocess.Popen, log_path: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            next(iter(client.catalog.list_datasets()), None)
            client.training.list_families()
            client.sampling.list_loaded_models()
            return
        except SynthmillError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the services did not start; see {log_path}") from None
        time.sleep(0.1)


def _free_base_port() -> int:
    for base_port in range(DEFAULT_BASE_PORT, 65_000, 10):
        if all(_is_free(base_port + offset) for offset in PORT_OFFSETS.values()):
            return base_port
    raise RuntimeError("there are no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
