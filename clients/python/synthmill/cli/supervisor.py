"""Runs services as processes: starts them together, reports each, stops them together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0

SERVING, STOPPED, FAILED = "SERVING", "STOPPED", "FAILED"

_LOG_LINES = 15


def supervise(commands: Mapping[str, Sequence[str]], logs: Path, as_json: bool) -> int:
    """Runs services until SIGINT or SIGTERM, a line on stdout for each change of state.

    A service that does not begin ends all; one that dies later is reported, and the others go on.

    Args:
        commands: command of each service; its first line on stdout says where it serves, and it ends with its stdin.
        logs: folder for what the services write to stderr.
        as_json: whether the lines are JSON.

    Returns:
        Exit status: 0, or 1 if a service failed.
    """
    logs.mkdir(parents=True, exist_ok=True)
    services = [Service(name, command, logs / f"{name}.log", as_json) for name, command in commands.items()]
    return asyncio.run(_supervise(services))


class Service:
    """One service process.

    Args:
        name: name of the service.
        command: what to run.
        log: file for its stderr, begun anew.
        as_json: how to report.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, as_json: bool) -> None:
        self._name = name
        self._command = command
        self._log = log
        self._as_json = as_json
        self._address = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts the process."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # Ctrl-C on a terminal is for this process, which then stops the others in order.
                start_new_session=True,
            )

    async def ready(self) -> bool:
        """Waits until it serves; False if it ended or took too long."""
        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(self._process.stdout.readline(), READY_WITHIN_S)
            if line:
                self._address = json.loads(line)["address"]
                self._report(SERVING)
                return True
            # Its output has ended, so it is about to end, and then its status is known.
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN_S)
        self._report_failure()
        return False

    async def died(self) -> None:
        """Waits until it ends by itself, and reports that."""
        assert self._process is not None
        await self._process.wait()
        self._report_failure()

    async def stop(self) -> None:
        """Asks it to end, waits for that, and ends it if it takes too long."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._report(STOPPED)

    async def _first_line(self) -> bytes:
        """Returns its first line; empty once it has ended without one."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
        return line

    def _report(self, state: str) -> None:
        line = {"service": self._name, "address": self._address, "state": state}
        print(json.dumps(line) if self._as_json else f"{self._name:<12} {self._address:<22} {state}", flush=True)

    def _report_failure(self) -> None:
        self._report(FAILED)
        status = self._process.returncode if self._process else None
        told = f"exit status {status}" if status is not None else f"not ready within {READY_WITHIN_S:.0f} s"
        print(f"{self._name}: {told}; the end of {self._log}:", file=sys.stderr)
        for line in self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]:
            print(f"    {line}", file=sys.stderr, flush=True)


async def _supervise(services: Sequence[Service]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    began = time.monotonic()
    try:
        await asyncio.gather(*(service.start() for service in services))
        stopped = asyncio.create_task(stop.wait())
        beginning = asyncio.gather(*(service.ready() for service in services))
        await asyncio.wait([stopped, beginning], return_when=asyncio.FIRST_COMPLETED)
        if not beginning.done() or not all(beginning.result()):
            return 0 if stop.is_set() else 1
        print(f"ready in {time.monotonic() - began:.1f} s; Ctrl-C stops", file=sys.stderr, flush=True)
        return await _watch(services, stopped)
    finally:
        await asyncio.gather(*(service.stop() for service in services))


async def _watch(services: Sequence[Service], stopped: asyncio.Task) -> int:
    """Waits for the signal to stop, or for the last service to die."""
    status = 0
    watched = {asyncio.create_task(service.died()) for service in services}
    while watched:
        done, _ = await asyncio.wait([stopped, *watched], return_when=asyncio.FIRST_COMPLETED)
        if stopped in done:
            break
        watched -= done
        status = 1
    for task in watched:
        task.cancel()
    return status
