"""Keeps what loops have done in the service's database, where it is seen while they run and after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import JSON, Engine, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from synthmill.pipeline.record import Record
from synthmill.runtime.database import Base


class LoopRow(Base):
    """What a loop has done so far."""

    __tablename__ = "pipeline_loops"

    job: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    """Of the worker that wrote it: one of an earlier attempt is not heard any more."""
    record: Mapped[dict[str, Any]] = mapped_column(JSON)


def keep(database: Engine, job: str, attempt: int, record: Record) -> None:
    """Writes down what a job's attempt has done, unless a later one has written already."""
    values = {"attempt": attempt, "record": record.to_json()}
    mine = update(LoopRow).where(LoopRow.job == job, LoopRow.attempt <= attempt).values(values)
    with Session(database) as session, session.begin():
        if session.execute(mine).rowcount:
            return
    try:
        with Session(database) as session, session.begin():
            session.add(LoopRow(job=job, **values))
    except IntegrityError:
        # There is one already, of a later attempt.
        return


def find(database: Engine, jobs: Iterable[str]) -> dict[str, Record]:
    """Returns what is known of some jobs, by job; one that has done nothing yet is missing."""
    with Session(database) as session:
        rows = session.scalars(select(LoopRow).where(LoopRow.job.in_(list(jobs)))).all()
    return {row.job: Record.from_json(row.record) for row in rows}
