"""Brings a service's database up to date, step by step, and keeps what is in it.

A package with tables has a folder `migrations` of steps, "jobs_1", "jobs_2" and so on, each with the one before it as
its `down_revision`. Steps are written by hand: they must not change when the tables do.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from synthmill.runtime.config import NEVER, ServiceConfig
from synthmill.runtime.database import alone, open_database
from synthmill.runtime.errors import FailedPrecondition, Unavailable

# Optuna, which the pipeline keeps its studies with, has taken Alembic's own name for this.
VERSION_TABLE = "synthmill_schema"

logger = logging.getLogger(__name__)


def open_current(config: ServiceConfig) -> Engine:
    """Opens a service's database, brought up to date or, if the service must not do that, found to be so.

    Raises:
        InvalidField: it has no URL of a database that there is support for.
        FailedPrecondition: it is not up to date, or from a newer version, or its driver is not installed.
        Unavailable: it cannot be reached.
    """
    database = open_database(config.database_url)
    try:
        (require_newest if config.migrate == NEVER else migrate)(database, config.packages)
    except OperationalError as error:
        database.dispose()
        raise Unavailable(f"database: {error.orig}") from error
    return database


def migrate(database: Engine, packages: Sequence[str]) -> None:
    """Brings the tables of some packages up to date; several processes may do so at once.

    Args:
        database: of a service.
        packages: that have tables in it: "synthmill.runtime.jobs", ...

    Raises:
        FailedPrecondition: the database is from a newer version, whose steps are not known here.
    """
    with alone(database) as connection:
        config = _config(packages)
        before = _versions(connection)
        _require_known(config, before)
        if set(before) != set(_newest(config)):
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
            logger.info("database is at %s, was at %s", _told(_versions(connection)), _told(before))


def require_newest(database: Engine, packages: Sequence[str]) -> None:
    """Makes sure that the tables of some packages are up to date.

    Raises:
        FailedPrecondition: they are older, or newer, than what this version of the package knows.
    """
    config = _config(packages)
    with database.connect() as connection:
        found = _versions(connection)
    _require_known(config, found)
    if set(found) != set(_newest(config)):
        raise FailedPrecondition(
            f"the database is at {_told(found)}, not at {_told(_newest(config))}: `synthmill database migrate` helps",
            field="database",
            value=_told(found),
            allowed=_told(_newest(config)),
        )


def _config(packages: Sequence[str]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    folders = [Path(find_spec(package).submodule_search_locations[0]) / "migrations" for package in packages]
    config.set_main_option("version_locations", os.pathsep.join(map(str, folders)).replace("%", "%%"))
    return config


def _versions(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()


def _newest(config: Config) -> tuple[str, ...]:
    return tuple(ScriptDirectory.from_config(config).get_heads())


def _require_known(config: Config, versions: Sequence[str]) -> None:
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = sorted(set(versions) - known)
    if unknown:
        raise FailedPrecondition(
            f"the database is at {_told(unknown)}, which is newer than this version of Synthmill",
            field="database",
            value=_told(unknown),
            allowed=_told(_newest(config)),
        )


def _told(versions: Sequence[str]) -> str:
    return ", ".join(sorted(versions)) or "nothing"
