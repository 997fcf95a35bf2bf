"""A job engine inside the test process, with real worker processes."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ClassVar

from support.handlers import HANDLERS
from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.drain import Drain
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.store import ObjectStore
from synthmill.v1 import job_pb2

# Workers must find the handlers.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")])
)


@dataclasses.dataclass(frozen=True)
class EngineConfig(ServiceConfig):
    """Settings of an engine under test; short times, so that tests are."""

    service: ClassVar[str] = "pipeline"

    lease_s: float = setting(3.0, "as in ServiceConfig")
    heartbeat_s: float = setting(0.2, "as in ServiceConfig")
    max_attempts: int = setting(3, "as in ServiceConfig")


DATABASE = ""
"""SQLAlchemy URL of all engines' database; empty means one of SQLite in each folder."""


def config_in(folder: Path, **settings: object) -> EngineConfig:
    """Returns the settings of an engine that keeps its jobs in a folder."""
    return EngineConfig(store=str(folder), **{"database": DATABASE} | settings)


def engine_in(folder: Path, concurrency: int = 1, **settings: object) -> JobEngine:
    """Returns an engine that keeps its jobs in a folder; it has not started yet."""
    config = config_in(folder, **settings)
    return JobEngine(config, ObjectStore(config.store_url), HANDLERS, concurrency)


@contextlib.asynccontextmanager
async def running_engine(folder: Path, concurrency: int = 1, **settings: object) -> AsyncIterator[JobEngine]:
    """Runs an engine for the length of an async with block."""
    engine = engine_in(folder, concurrency, **settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def events_of(engine: JobEngine, name: str, after: int = 0, timeout_s: float = 60.0) -> list[job_pb2.JobEvent]:
    """Returns all events of a job once it has ended."""
    async with asyncio.timeout(timeout_s):
        return [event async for event in engine.watch(name, after, Drain()) if event.sequence]


async def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        await asyncio.sleep(0.01)


def workers() -> list[int]:
    """Returns the process ids of the live workers that this process started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid() and b"runtime.jobs.worker" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def signal_workers(number: signal.Signals) -> int:
    """Sends a signal to the live workers and returns how many got it."""
    reached = 0
    for pid in workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            reached += 1
    return reached
