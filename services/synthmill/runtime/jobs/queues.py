"""What waits, runs and fails, type by type: read from the table, whichever process works at it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Engine, and_, func, select
from sqlalchemy.orm import Session

from synthmill.runtime.jobs.table import FAILED, HELD, PENDING
from synthmill.runtime.jobs.tables import JobEventRow, JobRow, now

FAILED_WITHIN = datetime.timedelta(hours=24)
"""What failed before that is not news."""


@dataclasses.dataclass
class JobQueue:
    """The jobs of one type.

    Attributes:
        type: the type.
        pending: jobs that wait for a worker.
        longest_pending_s: how long the one has waited that waits for the longest, in seconds.
        running: jobs that a worker is at.
        longest_silent_s: how long ago the one last said something that has been silent for the longest, in seconds.
        failed: jobs that failed lately.
        rates: what running jobs get done in a second, by unit: "steps", "items", ...
    """

    type: str
    pending: int = 0
    longest_pending_s: float = 0.0
    running: int = 0
    longest_silent_s: float = 0.0
    failed: int = 0
    rates: dict[str, float] = dataclasses.field(default_factory=dict)


def read_queues(database: Engine, types: Iterable[str] = ()) -> list[JobQueue]:
    """Returns the queues of all types of which there are such jobs, and of these types in any case, by type."""
    queues = {name: JobQueue(name) for name in types}
    with Session(database) as session:
        for kind, state, count, last_event in session.execute(_counts()):
            _add(queues.setdefault(kind, JobQueue(kind)), state, count, last_event)
        for row in session.scalars(select(JobRow).where(JobRow.state.in_(HELD))):
            if unit := row.progress.get("unit"):
                rates = queues[row.type].rates
                rates[unit] = rates.get(unit, 0.0) + row.progress["rate"]
    return [queues[name] for name in sorted(queues)]


def running_jobs(database: Engine, limit: int) -> Sequence[JobRow]:
    """Returns jobs that a worker is at, the newest first."""
    return _newest(database, JobRow.state.in_(HELD), limit)


def failed_jobs(database: Engine, limit: int) -> Sequence[JobRow]:
    """Returns jobs that failed lately and were not resumed, the newest first."""
    return _newest(database, _failed_lately(), limit)


def _counts():
    """Selects how many jobs there are by type and state, and when the one last said something that did so first."""
    last_event = and_(JobEventRow.job_id == JobRow.id, JobEventRow.sequence == JobRow.last_sequence)
    wanted = JobRow.state.in_((PENDING, *HELD)) | _failed_lately()
    counted = select(JobRow.type, JobRow.state, func.count(), func.min(JobEventRow.time))
    return counted.join(JobEventRow, last_event).where(wanted).group_by(JobRow.type, JobRow.state)


def _failed_lately() -> ColumnElement[bool]:
    return and_(JobRow.state == FAILED, JobRow.end_time > now() - FAILED_WITHIN)


def _add(queue: JobQueue, state: str, count: int, last_event: datetime.datetime) -> None:
    since_s = max(0.0, (now() - last_event).total_seconds())
    if state == PENDING:
        queue.pending, queue.longest_pending_s = count, since_s
    elif state == FAILED:
        queue.failed = count
    else:
        queue.running += count
        queue.longest_silent_s = max(queue.longest_silent_s, since_s)


def _newest(database: Engine, wanted: ColumnElement[bool], limit: int) -> Sequence[JobRow]:
    with Session(database) as session:
        return session.scalars(select(JobRow).where(wanted).order_by(JobRow.id.desc()).limit(limit)).all()
