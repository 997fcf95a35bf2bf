"""Opens a service's database: an SQLite file, or PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy
from sqlalchemy import URL, BigInteger, Connection, Engine, Integer, event, func, make_url, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeEngine

from synthmill.runtime.database_metrics import observe
from synthmill.runtime.errors import FailedPrecondition, InvalidField, Unavailable

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_DRIVERS = {SQLITE: "pysqlite", POSTGRESQL: "psycopg"}
_URLS = "sqlite:///PATH or postgresql://USER@HOST/NAME"

_BUSY_TIMEOUT_MS = 30_000
_CONNECT_TIMEOUT_S = 10
_WRITES = "synthmill_writes"
# Of an advisory lock: any number that nothing else in the database takes one with.
_WRITE_LOCK = int.from_bytes(b"synthmil")


class Base(DeclarativeBase):
    """Base of every table, so that one transaction may cover a service's own tables and its jobs."""

    # A number may be one of bytes. SQLite counts up only what is called INTEGER, which has 64 bits there.
    type_annotation_map: ClassVar[dict[type, TypeEngine]] = {int: BigInteger().with_variant(Integer, SQLITE)}


def open_database(url: str) -> Engine:
    """Opens a database by its SQLAlchemy URL, making the folder of an SQLite file.

    Raises:
        InvalidField: it is no URL of a database that there is support for.
        FailedPrecondition: its driver is not installed.
    """
    parsed = parse_url(url)
    engine = _open_sqlite(parsed) if parsed.get_backend_name() == SQLITE else _open_postgresql(parsed)
    observe(engine)
    return engine


@contextlib.contextmanager
def writing(database: Engine) -> Iterator[Session]:
    """Lends a session whose transaction, committed at the end of the with block, may read before it writes.

    Such transactions take turns. SQLite refuses at once, without waiting, what reads first and writes once another has
    written meanwhile; so this takes the write lock from the beginning, as a transaction does whose first statement
    writes.
    """
    with Session(database.execution_options(**{_WRITES: True})) as session, session.begin():
        take_turns(session)
        yield session


def take_turns(session: Session) -> None:
    """Makes a transaction, whose first statement has written, one of those that take turns as `writing` has them."""
    connection = session.connection()
    if connection.dialect.name == POSTGRESQL:
        _lock(connection)


@contextlib.contextmanager
def alone(database: Engine) -> Iterator[Connection]:
    """Lends a connection whose transaction, committed at the end of the with block, takes turns with `writing`."""
    with database.execution_options(**{_WRITES: True}).begin() as connection:
        if connection.dialect.name == POSTGRESQL:
            _lock(connection)
        yield connection


def _lock(connection: Connection) -> None:
    connection.execute(select(func.pg_advisory_xact_lock(_WRITE_LOCK)))


def parse_url(url: str) -> URL:
    """Returns the URL of a database with the driver that is used for it.

    Raises:
        InvalidField: it is no URL of a database that there is support for.
    """
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.get_backend_name()]
    except (ArgumentError, NoSuchModuleError, KeyError):
        # A password may be part of it.
        raise InvalidField("database", url.partition(":")[0], _URLS) from None
    return parsed.set(drivername=f"{parsed.get_backend_name()}+{driver}")


def _open_sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(url)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_postgresql(url: URL) -> Engine:
    try:
        # Whoever restarts the database must not have to restart services: a connection is tried before it is used.
        engine = sqlalchemy.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": _CONNECT_TIMEOUT_S})
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            f"database: PostgreSQL needs {error.name}, which is not installed: pip install 'synthmill[postgresql]'",
            field="database",
            package=str(error.name),
        ) from None
    event.listen(engine, "handle_error", _tell_outage)
    return engine


def _tell_outage(context: ExceptionContext) -> None:
    # The server ends, begins, or cannot be reached: nothing that callers could correct, and it passes.
    if context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
        raise Unavailable("the database is out of reach; try again") from context.original_exception


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
