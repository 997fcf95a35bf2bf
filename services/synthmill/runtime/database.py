"""Opens a service's database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.orm import DeclarativeBase, Session

_BUSY_TIMEOUT_MS = 30_000
_WRITES = "synthmill_writes"


class Base(DeclarativeBase):
    """Base of every table, so that one transaction may cover a service's own tables and its jobs."""


def open_database(url: str) -> Engine:
    """Opens a database by its SQLAlchemy URL, making the folder of an SQLite file."""
    parsed = make_url(url)
    engine = sqlalchemy.create_engine(parsed)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextlib.contextmanager
def writing(database: Engine) -> Iterator[Session]:
    """Lends a session whose transaction, committed at the end of the with block, may read before it writes.

    SQLite refuses at once, without waiting, what reads first and writes once another has written meanwhile. So this
    takes the write lock from the beginning, as a transaction does whose first statement writes.
    """
    with Session(database.execution_options(**{_WRITES: True})) as session, session.begin():
        yield session


def create_all(engine: Engine) -> None:
    """Makes the tables that are missing; several processes may do so at once."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions begin lazily; `_begin_sqlite` begins them instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
