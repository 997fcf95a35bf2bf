"""A report that cannot be written down does not stop the work that it tells of."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from synthmill.runtime.errors import Cancelled, StaleLease
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.table import Claim, JobTable
from synthmill.runtime.jobs.tables import JobRow
from synthmill.runtime.store import ObjectStore
from synthmill.training.config import TrainingConfig


class FullTable(JobTable):
    """A table whose disk is full."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def record_progress(self, claim, progress) -> bool:
        raise self._error

    def record_message(self, claim, text) -> None:
        raise self._error


def context_of(tmp_path, error: Exception) -> JobContext:
    config = TrainingConfig(store=str(tmp_path))
    row = JobRow(name="jobs/training-1", parameters={}, attempts=1)
    return JobContext(FullTable(error), Claim(row.name, 1), row, config, ObjectStore(config.store_url))


def test_a_full_database_is_lived_with(tmp_path):
    context = context_of(tmp_path, OperationalError("INSERT", {}, Exception("database or disk is full")))
    context.progress(1, 2, "steps")
    context.message("half of it")
    context.cancel()
    with pytest.raises(Cancelled):
        context.progress(2, 2, "steps")


def test_a_worker_that_was_replaced_stops(tmp_path):
    context = context_of(tmp_path, StaleLease("another worker has taken over"))
    with pytest.raises(StaleLease):
        context.progress(1, 2, "steps")
    with pytest.raises(StaleLease):
        context.message("half of it")
