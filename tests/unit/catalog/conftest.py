"""One real catalog process for all tests of the folder, and another one on PostgreSQL."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from unit.catalog.calls import Calls

from support.cluster import Cluster
from synthmill.runtime.database import POSTGRESQL, SQLITE
from synthmill.runtime.store import ObjectStore

_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=[SQLITE, POSTGRESQL])
def sort_of_database(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def cluster(request, tmp_path_factory, sort_of_database):
    folder = tmp_path_factory.mktemp("catalog")
    cluster = Cluster(folder, allowed_roots=[tmp_path_factory.getbasetemp()])
    cluster.add("catalog", flags=["--sweep-interval-s", "0.2", *database_flags(request, sort_of_database)])
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def calls(cluster):
    calls = Calls(cluster.address("catalog"))
    yield calls
    calls.close()


@pytest.fixture
def database(request, sort_of_database) -> list[str]:
    """Flags of a catalog that has its tables in a new database."""
    return database_flags(request, sort_of_database)


def database_flags(request: pytest.FixtureRequest, sort: str) -> list[str]:
    return [] if sort == SQLITE else ["--database", request.getfixturevalue("postgres").create_database()]


@pytest.fixture
def store(cluster) -> ObjectStore:
    return ObjectStore(str(cluster.store / "objects"))


@pytest.fixture
def name() -> str:
    """A dataset or model id that no other test uses."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder under the allowed roots."""
    return tmp_path
