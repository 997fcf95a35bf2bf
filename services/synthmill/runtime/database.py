"""Opens a service's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, event, make_url
from sqlalchemy.orm import DeclarativeBase

_BUSY_TIMEOUT_MS = 30_000


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


def _begin_sqlite(connection: Any) -> None:
    # Deferred: whoever means to write does so first, and so takes the write lock before reading.
    connection.exec_driver_sql("BEGIN")
