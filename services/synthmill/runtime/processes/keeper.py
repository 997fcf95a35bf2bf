"""Keeps one of the processes running: starts it, and starts it again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process

from prometheus_client import CollectorRegistry, Counter, Gauge

from synthmill.runtime.processes.child import Order
from synthmill.runtime.processes.metrics import LABEL

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
# Who has served for so long dies of something new.
_STEADY_S = 30.0

logger = logging.getLogger(__name__)


class NotServing(Exception):
    """A process has ended before it served."""


class ProcessMetrics:
    """What the front tells of the processes.

    Args:
        registry: tells it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge("synthmill_process_up", "1 while the process serves, else 0.", [LABEL], registry=registry)
        self.restarts = Counter(
            "synthmill_process_restarts", "How often the process was started again.", [LABEL], registry=registry
        )


class Keeper:
    """One of the processes, seen from the front.

    Args:
        order: what it is to be.
        metrics: told how it is doing.
    """

    def __init__(self, order: Order, metrics: ProcessMetrics) -> None:
        self._order = order
        self._up = metrics.up.labels(str(order.number))
        self._restarts = metrics.restarts.labels(str(order.number))
        self._process: Process | None = None

    async def start(self) -> None:
        """Starts the process and waits until it serves.

        Raises:
            NotServing: it has ended instead.
        """
        process = self._process = await asyncio.create_subprocess_exec(
            # The last two are for whoever looks at a list of processes.
            *(sys.executable, "-m", "synthmill.runtime.processes.child", self._order.build, str(self._order.number)),
            stdin=PIPE,
            stdout=PIPE,
            # Ctrl-C on a terminal is for the front, which then ends the others in order.
            start_new_session=True,
        )
        process.stdin.write(self._order.to_line())
        if not await process.stdout.readline():
            raise NotServing(f"process {self._order.number} {_described(await self._ended())} before it served")
        self._up.set(1)

    async def keep(self) -> None:
        """Starts the process again whenever it has ended, after pauses that grow."""
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            status = await self._ended()
            if time.monotonic() - began > _STEADY_S:
                pause_s = FIRST_PAUSE_S
            number = self._order.number
            logger.error("process %d %s; it is started again in %.1f s", number, _described(status), pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._restarts.inc()
            # Neither one that does not begin nor a machine that has no room for it just now is a reason to give up.
            with contextlib.suppress(NotServing, OSError):
                await self.start()
                logger.info("process %d serves again", number)

    async def stop(self, within_s: float) -> None:
        """Asks the process to end, and ends it if that takes longer."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._ended(), within_s)
        except TimeoutError:
            logger.error("process %d has not ended within %.0f s and is killed", self._order.number, within_s)
            self._process.kill()
            await self._ended()

    async def _ended(self) -> int:
        """Waits until the process has ended and returns its status."""
        while await self._process.stdout.read(1 << 16):
            pass
        status = await self._process.wait()
        self._process.stdin.close()
        self._up.set(0)
        return status


def _described(status: int) -> str:
    if status >= 0:
        return f"has ended with status {status}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by {names.get(-status, f'signal {-status}')}"
