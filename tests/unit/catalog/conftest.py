"""One real catalog process for all tests of the folder."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from unit.catalog.calls import Calls

from support.cluster import Cluster
from synthmill.runtime.store import ObjectStore

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalog")
    cluster = Cluster(folder, allowed_roots=[tmp_path_factory.getbasetemp()])
    cluster.add("catalog", flags=["--sweep-interval-s", "0.2"])
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def calls(cluster):
    calls = Calls(cluster.address("catalog"))
    yield calls
    calls.close()


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
