"""`synthmill up`: real services, started and stopped together."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from synthmill.cli.serving import existing_services
from synthmill.runtime.addresses import PORT_OFFSETS

SERVICES = existing_services()
COMMAND = [sys.executable, "-m", "synthmill.cli", "up"]


@pytest.fixture
def base_port() -> int:
    """A port with free ones above it."""
    while True:
        base = random.randrange(20_000, 30_000)
        with ExitStack() as stack:
            try:
                for offset in PORT_OFFSETS.values():
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            return base


@pytest.fixture
def up(tmp_path, base_port) -> Iterator[subprocess.Popen]:
    """All services, begun in an empty folder."""
    command = [*COMMAND, "--store", str(tmp_path / "store"), "--base-port", str(base_port), "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path) as process:
        yield process
        process.terminate()


def ready(process: subprocess.Popen) -> dict[str, dict[str, str]]:
    """Reads the line of each service."""
    lines = [json.loads(process.stdout.readline()) for _ in SERVICES]
    return {line["service"]: line for line in lines}


def pids_of(service: str, store: Path) -> list[int]:
    """Returns the processes of a service on a store."""
    wanted = f"serve\0{service}\0"
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if wanted in command and str(store) in command:
            found.append(int(entry.name))
    return found


def wait_until(condition, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_all_services_serve_and_drain_at_sigterm(up, tmp_path, base_port):
    lines = ready(up)
    assert set(lines) == set(SERVICES)
    for service, line in lines.items():
        assert line == {
            "service": service,
            "address": f"127.0.0.1:{base_port + PORT_OFFSETS[service]}",
            "state": "SERVING",
        }
    listing = [sys.executable, "-m", "synthmill.cli", "models", "list", "--json", "--address", f"127.0.0.1:{base_port}"]
    assert json.loads(subprocess.run(listing, capture_output=True, check=True).stdout) == []
    up.send_signal(signal.SIGTERM)
    out, err = up.communicate(timeout=60)
    assert up.returncode == 0
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["STOPPED"] * len(SERVICES)
    assert "ready in" in err
    assert sorted(path.stem for path in (tmp_path / "store/logs").iterdir()) == sorted(SERVICES)


def test_service_that_dies_is_reported_and_the_others_go_on(up, tmp_path):
    ready(up)
    [pid] = pids_of("catalog", tmp_path)
    os.kill(pid, signal.SIGKILL)
    line = json.loads(up.stdout.readline())
    assert (line["service"], line["state"]) == ("catalog", "FAILED")
    assert pids_of("training", tmp_path)
    up.send_signal(signal.SIGINT)
    _, err = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "catalog: exit status -9" in err


def test_no_service_outlives_a_killed_parent(up, tmp_path):
    ready(up)
    assert all(pids_of(service, tmp_path) for service in SERVICES)
    up.kill()
    wait_until(lambda: not any(pids_of(service, tmp_path) for service in SERVICES))


def test_service_that_cannot_begin_ends_all(tmp_path, base_port):
    command = [*COMMAND, "--store", str(tmp_path / "store"), "--base-port", str(base_port)]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base_port + PORT_OFFSETS["catalog"]))
        taken.listen()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert any(line.startswith("catalog") and line.endswith("FAILED") for line in done.stdout.splitlines())
    assert "catalog: exit status" in done.stderr
    assert not any(pids_of(service, tmp_path) for service in SERVICES)
