"""What Prometheus is told of the store and of the database."""

from __future__ import annotations

import pytest
import sqlalchemy
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError

from synthmill.runtime.database import open_database
from synthmill.runtime.errors import DataLoss
from synthmill.runtime.store import Artifact, ObjectStore


class Since:
    """Values of metrics since now."""

    def __init__(self) -> None:
        self._before = {}
        for metric in REGISTRY.collect():
            self._before |= {(sample.name, *sample.labels.values()): sample.value for sample in metric.samples}

    def __call__(self, name: str, operation: str = "") -> float:
        labels = {"operation": operation} if operation else {}
        key = (name, *labels.values())
        return (REGISTRY.get_sample_value(name, labels) or 0.0) - self._before.get(key, 0.0)


def test_bytes_and_operations_of_the_store_are_counted(tmp_path):
    store, since = ObjectStore(str(tmp_path)), Since()
    artifact = store.put_bytes(b"x" * 3000, "a")
    # What is there already is not put again.
    store.put_bytes(b"x" * 3000, "a")
    assert store.get_bytes(artifact)
    store.delete(artifact)
    assert since("synthmill_store_bytes_total", "put") == 3000
    assert since("synthmill_store_bytes_total", "read") == 3000
    operations = {name: since("synthmill_store_seconds_count", name) for name in ("put", "find", "open", "remove")}
    assert operations == {"put": 1, "find": 2, "open": 1, "remove": 1}


def test_file_that_is_missing_is_no_failure_of_the_store_and_a_broken_folder_is(tmp_path):
    store, since = ObjectStore(str(tmp_path / "store")), Since()
    with pytest.raises(DataLoss):
        store.get_bytes(Artifact("a", f"store://sha256/{'0' * 64}", "0" * 64, 1, ""))
    assert since("synthmill_store_failures_total", "open") == 0
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="store"):
        store.put_bytes(b"x", "a")
    assert sum(since("synthmill_store_failures_total", name) for name in ("find", "put")) == 1


def test_statements_are_timed_and_those_without_an_answer_counted(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    since = Since()
    with database.connect() as connection:
        assert connection.scalar(sqlalchemy.text("select 7")) == 7
    # One of them begins the transaction.
    assert since("synthmill_database_seconds_count") == 2
    with database.connect() as connection, pytest.raises(OperationalError):
        connection.execute(sqlalchemy.text("select * from nowhere"))
    assert since("synthmill_database_failures_total") == 1
    database.dispose()
