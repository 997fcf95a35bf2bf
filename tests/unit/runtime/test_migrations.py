"""Databases brought up to date, step by step, with what is in them."""

from __future__ import annotations

import datetime
import subprocess
import sys
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import synthmill.catalog.tables
import synthmill.pipeline.keeping
import synthmill.runtime.jobs.tables
from synthmill.runtime.database import POSTGRESQL, SQLITE, Base, open_database
from synthmill.runtime.errors import FailedPrecondition
from synthmill.runtime.migrations import VERSION_TABLE, migrate, require_newest

PACKAGES = ("synthmill.runtime.jobs", "synthmill.catalog", "synthmill.pipeline")
MODULES = (synthmill.runtime.jobs.tables, synthmill.catalog.tables, synthmill.pipeline.keeping)
TABLES = [mapper.local_table for mapper in Base.registry.mappers if sys.modules[mapper.class_.__module__] in MODULES]
VALUES: dict[type[sa.types.TypeEngine], Any] = {
    sa.JSON: {"ü": [1, None]},
    sa.DateTime: datetime.datetime(2026, 1, 2, 3, 4, 5),
    sa.Boolean: True,
    sa.Float: 1e9 + 0.25,
    sa.BigInteger: 1,
    sa.String: "ü",
}


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def url(request, tmp_path) -> str:
    if request.param == SQLITE:
        return f"sqlite:///{tmp_path / 'some.db'}"
    return request.getfixturevalue("postgres").create_database()


@pytest.fixture
def database(url):
    database = open_database(url)
    yield database
    database.dispose()


def value_of(column: sa.Column) -> Any:
    return next(value for sort, value in VALUES.items() if isinstance(column.type, sort))


def rows_of(database: sa.Engine) -> dict[str, list[tuple]]:
    with database.connect() as connection:
        return {table.name: [tuple(row) for row in connection.execute(sa.select(table))] for table in TABLES}


def test_steps_from_nothing_make_the_tables_that_the_code_has(database):
    migrate(database, PACKAGES)
    with database.connect() as connection:
        metadata = sa.MetaData()
        for table in TABLES:
            table.to_metadata(metadata)
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    require_newest(database, PACKAGES)


def test_database_from_before_there_were_steps_keeps_every_row(database):
    with database.begin() as connection:
        Base.metadata.create_all(connection, TABLES)
        for table in Base.metadata.sorted_tables:
            if table in TABLES:
                connection.execute(table.insert(), {column.name: value_of(column) for column in table.columns})
    before = rows_of(database)
    assert all(len(rows) == 1 for rows in before.values())
    migrate(database, PACKAGES)
    require_newest(database, PACKAGES)
    assert rows_of(database) == before


def test_processes_that_start_at_once_take_turns(url):
    errors = []

    def bring_up_to_date():
        database = open_database(url)
        try:
            migrate(database, PACKAGES)
        except Exception as error:
            errors.append(error)
        finally:
            database.dispose()

    threads = [threading.Thread(target=bring_up_to_date) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


@pytest.mark.parametrize("open_it", [migrate, require_newest])
def test_database_of_a_newer_version_is_refused(database, open_it):
    migrate(database, PACKAGES)
    with database.begin() as connection:
        steps = sa.table(VERSION_TABLE, sa.column("version_num"))
        connection.execute(steps.update().where(steps.c.version_num.like("jobs%")).values(version_num="jobs_999"))
    with pytest.raises(FailedPrecondition, match="jobs_999, which is newer"):
        open_it(database, PACKAGES)


def test_packages_are_brought_up_to_date_each_by_itself(database):
    migrate(database, PACKAGES[:1])
    with pytest.raises(FailedPrecondition, match=r"is at jobs_\d+, not at catalog_\d+, jobs_\d+"):
        require_newest(database, PACKAGES[:2])
    migrate(database, PACKAGES[:2])
    require_newest(database, PACKAGES[:2])


def test_service_that_must_not_change_its_database_says_what_does(url):
    def run(*command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", *command, "--database", url], capture_output=True, text=True, timeout=60, check=False
        )

    refused = run("synthmill.catalog", "--migrate", "never", "--port", "0")
    assert refused.returncode == 2
    assert "is at nothing, not at catalog_" in refused.stderr
    assert "synthmill database migrate" in refused.stderr
    migrated = run("synthmill.cli", "database", "migrate", "catalog")
    assert migrated.returncode == 0, migrated.stderr
    database = open_database(url)
    require_newest(database, PACKAGES[:2])
    database.dispose()
