"""Tables of the job engine."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from synthmill.runtime.database import Base


def now() -> datetime.datetime:
    """Returns the time in UTC without a zone, as the tables hold it."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class JobRow(Base):
    """A job; columns are as in the message `Job`, and what the engine needs beside."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(unique=True)
    type: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    progress: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    result: Mapped[str] = mapped_column(default="")
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    attempts: Mapped[int] = mapped_column(default=0)
    last_sequence: Mapped[int] = mapped_column(default=0)
    create_time: Mapped[datetime.datetime] = mapped_column(default=now)
    end_time: Mapped[datetime.datetime | None]

    request_id: Mapped[str | None] = mapped_column(unique=True)
    request_digest: Mapped[str]
    """Tells a repeated request from another one under the same request_id."""
    token: Mapped[int] = mapped_column(default=0)
    """Grows with every claim; a write that carries an older one is refused."""
    lease_until: Mapped[float] = mapped_column(default=0.0)
    """Seconds since 1970 after which another worker may claim the job."""
    losses: Mapped[int] = mapped_column(default=0)
    """Workers lost since the job last got further than ever before."""
    peaks: Mapped[dict[str, int]] = mapped_column(JSON, default=dict)
    """Furthest point reached, by phase."""


class JobPictureRow(Base):
    """A picture that a job has made on its way; columns are as in the message `Artifact`."""

    __tablename__ = "job_pictures"

    job_id: Mapped[int] = mapped_column(ForeignKey(JobRow.id), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    """Of the event that told it."""
    name: Mapped[str]
    uri: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    media_type: Mapped[str]


class JobEventRow(Base):
    """Something that happened to a job; columns are as in the message `JobEvent`."""

    __tablename__ = "job_events"

    job_id: Mapped[int] = mapped_column(ForeignKey(JobRow.id), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime.datetime] = mapped_column(default=now)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    """One of {"state": name}, {"progress": {...}}, {"message": text}; with "trace" beside the first one's state."""
