"""synthmill status: what people and programs see of services that serve, and of one that does not."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from synthmill.cli.exit_codes import EXIT_CODES
from synthmill.client.addresses import SERVICES
from synthmill.runtime.errors import FailedPrecondition, Unavailable
from synthmill.v1 import job_pb2, sampling_service_pb2, status_pb2

COMMAND = [sys.executable, "-m", "synthmill.cli", "status"]
GPU = {"id": "GPU-1", "name": "A100", "memory_used_bytes": 10**9, "memory_total_bytes": 80 * 10**9, "utilization": 0.5}


@pytest.fixture
def statuses(services) -> dict[str, status_pb2.ServiceStatus]:
    """What the services tell, to be added to."""
    return {service: fake.status for service, fake in services.statuses.items()}


@pytest.fixture
def busy(statuses) -> None:
    """Services with something to do."""
    statuses["training"].job_queues.add(type="train", pending=3, longest_pending_s=187, running=1, failed=1)
    progress = job_pb2.JobProgress(done=30, total=2000, unit="steps", rate=12.5, eta_s=157, phase="steps")
    statuses["training"].running_jobs.add(name="jobs/training-1", type="train", progress=progress)
    statuses["training"].failed_jobs.add(name="jobs/training-0", type="train").error.message = "left the finite numbers"
    statuses["training"].processes[0].worker_bytes = 2_000_000_000
    statuses["catalog"].promoted_models.append("models/pets/versions/3")
    statuses["sampling"].gauges.add(name="queued_samples", value=1234, unit="samples")
    statuses["sampling"].gauges.add(name="queued_bytes", value=5_000_000, unit="bytes")
    loaded = sampling_service_pb2.LoadedModel(provider="CPUExecutionProvider", active_calls=2, memory_bytes=770_000)
    loaded.model.name = "models/pets/versions/3"
    statuses["sampling"].loaded_models.append(loaded)
    for service in ("training", "sampling"):
        statuses[service].devices.add(**GPU)


def test_people_see_everything_once(run, services, busy):
    result = run("status")
    assert (result.code, result.err) == (0, "")
    lines = [line.split("  ") for line in result.out.splitlines()]
    cells = [[cell.strip() for cell in line if cell] for line in lines]
    for service in SERVICES:
        (row,) = [line for line in cells if line[:1] == [service] and "SERVING" in line]
        assert row[1] == services.addresses[service]
        assert "150.0 MB" in row
    assert ["training", "train", "3", "3:07", "1", "1"] in cells
    assert ["jobs/training-1", "train", "30 of 2000 steps", "12.5 steps/s", "2:37", "steps"] in cells
    assert ["jobs/training-0", "train", "left the finite numbers"] in cells
    assert ["sampling", "queued samples", "1,234"] in cells
    assert ["sampling", "queued bytes", "5.0 MB"] in cells
    assert ["models/pets/versions/3", "CPUExecutionProvider", "2", "770.0 kB"] in cells
    assert ["models/pets/versions/3"] in cells
    assert cells.count(["A100", "1.0 GB", "80.0 GB", "50%", "GPU-1"]) == 1
    assert "2.0 GB" in result.out


def test_sections_without_anything_are_left_out(run, services):
    out = run("status").out
    assert len(out.splitlines()) == 1 + len(SERVICES)


def test_programs_see_everything(run, services, busy):
    told = {report["service"]: report for report in run("status", "--json").json["services"]}
    assert list(told) == list(SERVICES)
    assert {report["state"] for report in told.values()} == {"SERVING"}
    status = told["training"]["status"]
    assert status["job_queues"][0]["longest_pending_s"] == 187
    assert status["running_jobs"][0]["progress"]["done"] == 30
    assert told["sampling"]["status"]["loaded_models"][0]["memory_bytes"] == 770_000
    assert told["sampling"]["status"]["devices"][0]["utilization"] == 0.5


def test_service_that_does_not_serve_is_told_with_the_others_and_by_the_exit_code(run, services):
    services.statuses["evaluation"].error = FailedPrecondition("no disk")
    result = run("status")
    assert result.code == EXIT_CODES[Unavailable]
    assert "evaluation does not serve: no disk" in result.out
    assert result.out.count(" SERVING ") == len(SERVICES) - 1
    assert "1 of 6 services do not serve: evaluation" in result.err

    result = run("status", "--json")
    assert result.code == EXIT_CODES[Unavailable]
    (report,) = [report for report in result.json["services"] if report["state"] != "SERVING"]
    assert (report["service"], report["error"], report["status"]) == ("evaluation", "no disk", None)


def test_watch_prints_a_line_each_time_until_it_is_stopped(services):
    process = subprocess.Popen([*COMMAND, "--watch", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert [len(each["services"]) for each in seen] == [6, 6]
    assert (process.returncode, said) == (130, b"")


def test_watch_leaves_a_terminal_as_it_was(services):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, "--watch"], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert b"pipeline" in read_until(ours, b"pipeline")
    process.send_signal(signal.SIGINT)
    rest = read_until(ours, b"\x1b[?1049l")
    assert process.wait(30) == 130
    # The other screen is left, and the cursor is back.
    assert b"\x1b[?1049l" in rest
    assert b"\x1b[?25h" in rest
    assert b"Traceback" not in rest
    os.close(ours)


def read_until(terminal: int, wanted: bytes, timeout_s: float = 30.0) -> bytes:
    """Returns what a terminal shows until something is there, and a moment longer."""
    seen, end = b"", time.monotonic() + timeout_s
    while time.monotonic() < end and wanted not in seen:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 1 << 16)
    while select.select([terminal], [], [], 0.3)[0]:
        try:
            seen += os.read(terminal, 1 << 16)
        # The other end is closed.
        except OSError:
            break
    return seen
