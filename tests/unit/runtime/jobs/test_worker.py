"""The worker as a process, without an engine around it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.engines import config_in
from support.handlers import HANDLERS
from synthmill.runtime.jobs.table import JobTable
from synthmill.runtime.jobs.worker import ORPHANED_STATUS, Order
from synthmill.runtime.migrations import open_current

pytestmark = pytest.mark.usefixtures("database")


def start(folder, job_type, parameters):
    config = config_in(folder)
    table = JobTable(open_current(config), config.service, config.lease_s)
    table.create(job_type, parameters)
    order = Order.make(config, HANDLERS[job_type], table.claim())
    command = [sys.executable, "-m", "synthmill.runtime.jobs.worker"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    worker.stdin.write(order.to_line())
    worker.stdin.flush()
    return worker


def test_status_is_zero_once_the_state_is_written(tmp_path):
    with start(tmp_path, "count", {"to": 2, "ledger": str(tmp_path / "ledger")}) as worker:
        # The service still holds the other end of the input.
        status = worker.wait(30)
        assert status == 0, worker.stderr.read().decode()


def test_end_of_the_input_ends_the_worker(tmp_path):
    with start(tmp_path, "sleep_without_a_word", {}) as worker:
        worker.stdin.close()
        assert worker.wait(30) == ORPHANED_STATUS
