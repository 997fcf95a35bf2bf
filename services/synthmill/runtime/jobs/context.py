"""What a job's handler sees of its job."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from synthmill.runtime.config import ServiceConfig
from synthmill.runtime.errors import Cancelled
from synthmill.runtime.jobs import pictures
from synthmill.runtime.jobs.table import Claim, JobTable
from synthmill.runtime.jobs.tables import JobRow
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.runtime.tracing.work import WorkSpan

_PROGRESS_INTERVAL_S = 0.5

logger = logging.getLogger(__name__)


class JobContext:
    """One attempt at a job; every write is refused with `StaleLease` once another worker has taken over.

    Args:
        table: the service's jobs.
        claim: the right to write to this one.
        row: the job as it was claimed.
        config: the service's settings.
        store: the object store.

    Attributes:
        name: "jobs/{service}-{id}".
        parameters: what the job was created with.
        attempt: 1 for the first worker, one more for each that follows.
        scratch: a folder of the job's own; lasts until the job has succeeded, whatever happens to workers and service.
        finished: whether the job has been ended by `finish`.
        span: of the attempt, if this process traces.
    """

    def __init__(self, table: JobTable, claim: Claim, row: JobRow, config: ServiceConfig, store: ObjectStore) -> None:
        self.name = row.name
        self.parameters: dict[str, Any] = row.parameters
        self.attempt = row.attempts
        self.config = config
        self.store = store
        self.scratch = scratch_folder(config, row.name)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.finished = False
        self.span = WorkSpan()
        self._table = table
        self._claim = claim
        self._cancelled = threading.Event()
        self._pace = _Pace()
        picture = (row.progress or {}).get("picture")
        self._picture = Artifact(**picture) if picture else None
        self._pictures = 0

    def progress(
        self,
        done: int,
        total: int,
        unit: str,
        *,
        phase: str = "",
        rate: float = 0.0,
        metrics: Mapping[str, float] | None = None,
        picture: Artifact | None = None,
    ) -> None:
        """Tells how far the job is; written down twice a second at most, but always at a new phase, picture or end.

        Args:
            done: units done.
            total: units in all; zero if not known.
            unit: what is counted: "steps", "items", ...
            phase: phase in words.
            rate: units per second; zero means as measured between calls of this phase.
            metrics: figures by name; those that are not finite are left out.
            picture: of the moment, as `keep_picture` returns it; stays until there is a newer one.

        Raises:
            Cancelled: the job was asked to stop.
            StaleLease: another worker has taken over.
        """
        self.check()
        # What follows a colon changes within a phase.
        self.span.enter(phase.partition(":")[0])
        if not self._pace.is_due(done, phase, at_once=picture is not None or 0 < total == done):
            return
        self._picture = picture or self._picture
        rate = rate or self._pace.rate(done)
        progress = {
            "done": done,
            "total": total,
            "unit": unit,
            "phase": phase,
            "rate": rate,
            "eta_s": max(0, total - done) / rate if rate > 0 else 0.0,
            "metrics": {name: float(value) for name, value in (metrics or {}).items() if math.isfinite(value)},
            "picture": dataclasses.asdict(self._picture) if self._picture else None,
        }
        with _patience():
            if self._table.record_progress(self._claim, progress):
                self.cancel()
        self.check()

    def keep_picture(self, png: bytes) -> Artifact:
        """Puts a picture into the store until there are newer ones.

        Raises:
            ResourceExhausted: the store is full.
        """
        self._pictures += 1
        source = f"{self.name}, attempt {self.attempt}, picture {self._pictures}"
        return self.store.put_bytes(pictures.signed(png, source), pictures.NAME, pictures.MEDIA_TYPE)

    def message(self, text: str) -> None:
        """Writes down something worth reading; raises as `progress`."""
        self.check()
        with _patience():
            self._table.record_message(self._claim, text)

    def check(self) -> None:
        """Looks whether to go on.

        Raises:
            Cancelled: the job was asked to stop.
        """
        if self._cancelled.is_set():
            raise Cancelled(f"{self.name} was cancelled")

    def cancel(self) -> None:
        """Makes the next look of the handler raise."""
        self._cancelled.set()

    def finish(self, publish: Callable[[Session], str]) -> str:
        """Ends the job well, in one transaction with what `publish` writes to the service's own tables.

        Args:
            publish: gets the transaction's session and returns the name of the resource that the job made.

        Raises:
            StaleLease: another worker has taken over; nothing was written.
        """
        result = self._table.succeed(self._claim, publish)
        self.finished = True
        return result


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Goes on where the database is busy or its disk full: work is worth more than a report of it.

    If that lasts, the lease runs out and fences the worker.
    """
    try:
        yield
    except OperationalError:
        logger.exception("a report could not be written down")


class _Pace:
    """Decides which progress is written down, and measures the rate."""

    def __init__(self) -> None:
        self._phase: str | None = None
        self._began = (0.0, 0)
        self._written = 0.0

    def is_due(self, done: int, phase: str, at_once: bool) -> bool:
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._began = phase, (now, done)
        elif not at_once and now - self._written < _PROGRESS_INTERVAL_S:
            return False
        self._written = now
        return True

    def rate(self, done: int) -> float:
        began, already = self._began
        elapsed_s = time.monotonic() - began
        return (done - already) / elapsed_s if elapsed_s > 0 else 0.0


def scratch_folder(config: ServiceConfig, name: str) -> Path:
    """Returns where a job keeps its checkpoints and temporary files."""
    return config.scratch / name
