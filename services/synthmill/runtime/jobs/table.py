"""Everything that is done to jobs in the database; knows no process and no wire."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from synthmill.runtime.database import take_turns
from synthmill.runtime.errors import AlreadyExists, FailedPrecondition, NotFound, OutOfRange, StaleLease
from synthmill.runtime.jobs.names import new_job_name
from synthmill.runtime.jobs.tables import JobEventRow, JobPictureRow, JobRow, now
from synthmill.runtime.paging import Page

PENDING, RUNNING, CANCELLING = "PENDING", "RUNNING", "CANCELLING"
SUCCEEDED, FAILED, CANCELLED = "SUCCEEDED", "FAILED", "CANCELLED"
HELD = (RUNNING, CANCELLING)
FINAL = (SUCCEEDED, FAILED, CANCELLED)


@dataclasses.dataclass(frozen=True)
class Claim:
    """The right of one worker to write to one job.

    Attributes:
        token: refused once a later claim has been made.
        lease_until: when it was first to end, in seconds since 1970.
    """

    name: str
    token: int
    lease_until: float = 0.0


class JobTable:
    """The jobs of one service.

    Args:
        database: holds the tables, perhaps beside others.
        service: part of the names of new jobs.
        lease_s: how long a claim lasts without a sign of life, in seconds.
    """

    def __init__(self, database: Engine, service: str, lease_s: float) -> None:
        self._database = database
        self._service = service
        self._lease_s = lease_s

    def create(
        self,
        job_type: str,
        parameters: Mapping[str, Any],
        request_id: str = "",
        identity: Mapping[str, Any] | None = None,
        trace: Mapping[str, str] | None = None,
    ) -> JobRow:
        """Adds a waiting job, or returns the one that the same request made before.

        Args:
            identity: what makes two requests the same, as JSON; by default the parameters.
            trace: headers of the trace that the request is part of; kept with the first event.

        Raises:
            AlreadyExists: the request_id was used for another request.
        """
        request_digest = _digest([job_type, parameters if identity is None else identity])
        row = JobRow(
            name=new_job_name(self._service),
            type=job_type,
            state=PENDING,
            parameters=dict(parameters),
            request_id=request_id or None,
            request_digest=request_digest,
        )
        try:
            with Session(self._database, expire_on_commit=False) as session, session.begin():
                session.add(row)
                session.flush()
                _append(session, row, {"state": PENDING, **({"trace": dict(trace)} if trace else {})})
            return row
        except IntegrityError:
            return self._earlier(request_id, request_digest)

    def get(self, name: str) -> JobRow:
        """Returns a job.

        Raises:
            NotFound: there is no such job.
        """
        with Session(self._database) as session:
            return _find(session, name)

    def trace(self, name: str) -> dict[str, str]:
        """Returns the headers of the trace that the request was part of that made a job; empty if of none."""
        first = select(JobEventRow.content).join(JobRow, JobEventRow.job_id == JobRow.id)
        with Session(self._database) as session:
            content = session.scalar(first.where(JobRow.name == name, JobEventRow.sequence == 1))
        return content.get("trace", {}) if content else {}

    def list(self, page: Page, state: str = "") -> list[JobRow]:
        """Returns jobs, the newest first, and one more than the page holds if there are more."""
        query = select(JobRow).order_by(JobRow.id.desc()).limit(page.size + 1)
        if state:
            query = query.where(JobRow.state == state)
        if page.after is not None:
            query = query.where(JobRow.id < page.after[0])
        with Session(self._database) as session:
            return list(session.scalars(query))

    def events(self, name: str, after_sequence: int, limit: int) -> tuple[JobRow, Sequence[JobEventRow]]:
        """Returns a job and its events after one of them.

        Raises:
            NotFound: there is no such job.
            OutOfRange: no event has that number yet.
        """
        with Session(self._database) as session:
            row = _find(session, name)
            if after_sequence > row.last_sequence:
                raise OutOfRange("after_sequence", after_sequence, f"0 to {row.last_sequence}")
            query = select(JobEventRow).where(JobEventRow.job_id == row.id, JobEventRow.sequence > after_sequence)
            return row, session.scalars(query.order_by(JobEventRow.sequence).limit(limit)).all()

    def cancel(self, name: str) -> JobRow:
        """Asks for a job to stop; one that nobody works at stops at once.

        Raises:
            NotFound: there is no such job.
            FailedPrecondition: it has succeeded or failed.
        """
        with self._writing(name) as (session, row):
            if row.state in (SUCCEEDED, FAILED):
                raise FailedPrecondition(f"{name} has {row.state.lower()} and cannot be cancelled", state=row.state)
            if row.state == PENDING or (row.state in HELD and row.lease_until < time.time()):
                _enter(session, row, CANCELLED)
            elif row.state == RUNNING:
                _enter(session, row, CANCELLING)
            return row

    def resume(self, name: str) -> JobRow:
        """Puts a failed or cancelled job back in the queue.

        Raises:
            NotFound: there is no such job.
            FailedPrecondition: it is in another state.
        """
        with self._writing(name) as (session, row):
            if row.state not in (FAILED, CANCELLED):
                raise FailedPrecondition(
                    f"{name} is {row.state.lower()}; only failed and cancelled jobs can be resumed", state=row.state
                )
            row.losses, row.error = 0, None
            _enter(session, row, PENDING)
            return row

    def claim(self) -> Claim | None:
        """Takes the oldest job that waits, or whose worker has been silent for too long."""
        with Session(self._database) as session:
            query = select(JobRow.id, JobRow.token).where(_claimable()).order_by(JobRow.id).limit(1)
            candidate = session.execute(query).first()
        if candidate is None:
            return None
        with Session(self._database) as session, session.begin():
            taken = update(JobRow).where(JobRow.id == candidate.id, JobRow.token == candidate.token, _claimable())
            lease_until = time.time() + self._lease_s
            if not session.execute(taken.values(token=candidate.token + 1, lease_until=lease_until)).rowcount:
                return None
            row = session.get_one(JobRow, candidate.id)
            if row.state == CANCELLING:
                _enter(session, row, CANCELLED)
                return None
            row.attempts += 1
            _enter(session, row, RUNNING)
            return Claim(row.name, row.token, lease_until)

    def renew(self, claim: Claim) -> bool:
        """Prolongs a claim and tells whether the job was asked to stop.

        Raises:
            StaleLease: another worker has taken over.
        """
        with self._held(claim) as (_session, row):
            return row.state == CANCELLING

    def prolong(self, claim: Claim) -> float:
        """Prolongs a claim and returns until when, in seconds since 1970; raises as `renew`."""
        with self._held(claim) as (_session, row):
            return row.lease_until

    def record_progress(self, claim: Claim, progress: Mapping[str, Any]) -> bool:
        """Adds a progress event; returns and raises as `renew`."""
        with self._held(claim) as (session, row):
            phase, done = progress.get("phase", ""), progress["done"]
            if done > row.peaks.get(phase, -1):
                row.peaks = {**row.peaks, phase: done}
                row.losses = 0
            before, row.progress = row.progress.get("picture"), dict(progress)
            _append(session, row, {"progress": row.progress})
            picture = row.progress.get("picture")
            if picture and picture != before:
                session.add(JobPictureRow(job_id=row.id, sequence=row.last_sequence, **picture))
            return row.state == CANCELLING

    def record_message(self, claim: Claim, text: str) -> None:
        """Adds a message event; raises as `renew`."""
        with self._held(claim) as (session, row):
            _append(session, row, {"message": text})

    def succeed(self, claim: Claim, callback: Callable[[Session], str]) -> str:
        """Ends a job well, in one transaction with what the callback writes; returns the callback's result.

        Raises:
            StaleLease: another worker has taken over; nothing was written.
        """
        with self._held(claim) as (session, row):
            take_turns(session)
            row.result = callback(session)
            _enter(session, row, SUCCEEDED)
            return row.result

    def fail(self, claim: Claim, error: Mapping[str, Any]) -> None:
        """Ends a job with an error; raises as `renew`."""
        with self._held(claim) as (session, row):
            row.error = dict(error)
            _enter(session, row, FAILED)

    def give_up(self, claim: Claim) -> None:
        """Ends a job that was asked to stop; raises as `renew`."""
        with self._held(claim) as (session, row):
            _enter(session, row, CANCELLED)

    def release(self, claim: Claim) -> None:
        """Puts a job back in the queue through no fault of its own; raises as `renew`."""
        with self._held(claim) as (session, row):
            _enter(session, row, CANCELLED if row.state == CANCELLING else PENDING)

    def lose(self, claim: Claim, max_losses: int, error: Mapping[str, Any]) -> None:
        """Puts a job back after its worker died, or ends it if that happens over and over; raises as `renew`."""
        with self._held(claim) as (session, row):
            row.losses += 1
            _append(session, row, {"message": error["message"]})
            if row.state == CANCELLING:
                _enter(session, row, CANCELLED)
            elif row.losses < max_losses:
                _enter(session, row, PENDING)
            else:
                row.error = dict(error)
                _enter(session, row, FAILED)

    def _earlier(self, request_id: str, request_digest: str) -> JobRow:
        with Session(self._database) as session:
            row = session.scalars(select(JobRow).where(JobRow.request_id == request_id)).one()
        if row.request_digest != request_digest:
            raise AlreadyExists(
                f"request_id: {request_id} was used for another request",
                field="request_id",
                value=request_id,
                allowed="a new UUID for a new request",
            )
        return row

    def _writing(self, name: str) -> _Locked:
        return _Locked(self._database, lambda session: _lock(session, name))

    def _held(self, claim: Claim) -> _Locked:
        return _Locked(self._database, lambda session: _lock_held(session, claim, time.time() + self._lease_s))


class _Locked:
    """A transaction that holds the write lock of one job's row from its first statement on."""

    def __init__(self, database: Engine, lock: Callable[[Session], JobRow]) -> None:
        self._session = Session(database, expire_on_commit=False)
        self._lock = lock

    def __enter__(self) -> tuple[Session, JobRow]:
        try:
            return self._session, self._lock(self._session)
        except BaseException:
            self._session.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._session:
            if kind is None:
                self._session.commit()


def _claimable() -> ColumnElement[bool]:
    return or_(JobRow.state == PENDING, and_(JobRow.state.in_(HELD), JobRow.lease_until < time.time()))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _find(session: Session, name: str) -> JobRow:
    row = session.scalar(select(JobRow).where(JobRow.name == name))
    if row is None:
        raise NotFound(f"there is no job {name}", resource=name)
    return row


def _lock(session: Session, name: str) -> JobRow:
    session.execute(update(JobRow).where(JobRow.name == name).values(last_sequence=JobRow.last_sequence))
    return _find(session, name)


def _lock_held(session: Session, claim: Claim, lease_until: float) -> JobRow:
    mine = update(JobRow).where(JobRow.name == claim.name, JobRow.token == claim.token, JobRow.state.in_(HELD))
    if not session.execute(mine.values(lease_until=lease_until)).rowcount:
        raise StaleLease(f"another worker has taken over {claim.name}", job=claim.name, token=claim.token)
    return _find(session, claim.name)


def _enter(session: Session, row: JobRow, state: str) -> None:
    row.state = state
    row.end_time = now() if state in FINAL else None
    _append(session, row, {"state": state})


def _append(session: Session, row: JobRow, content: Mapping[str, Any]) -> None:
    row.last_sequence += 1
    session.add(JobEventRow(job_id=row.id, sequence=row.last_sequence, content=dict(content)))
