"""The commands of the README, run as they stand there."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.data import digits, write_folders
from synthmill.cli.exit_codes import EXIT_CODES, SUCCESS
from synthmill.runtime.errors import GateRefused

REFUSED = EXIT_CODES[GateRefused]

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+(?: \w+)?)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


def free_base_port() -> int:
    for base_port in range(51_000, 64_000, 10):
        try:
            for offset in (1, 2, 3, 4, 5, 6):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base_port + offset))
        except OSError:
            continue
        return base_port
    raise AssertionError("there are no free ports")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the README's `digits/` in it, the services running, and the environment to use them."""
    folder = tmp_path_factory.mktemp("readme")
    images, labels = digits()
    write_folders(folder / "digits", images[:600], labels[:600])
    base_port = free_base_port()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SYNTHMILL_ADDRESS": f"127.0.0.1:{base_port}",
    }
    (command,) = blocks("sh service")
    arguments = [*command.split(), "--base-port", str(base_port)]
    process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    began = time.monotonic()
    lines = [process.stdout.readline() for _ in range(6)]
    assert all("SERVING" in line for line in lines), lines
    assert time.monotonic() - began < 8 or os.getloadavg()[0] > os.cpu_count()
    yield folder, environment
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()


def run(place, program: list[str], text: str, allowed: tuple[int, ...] = (SUCCESS,)) -> subprocess.CompletedProcess:
    folder, environment = place
    done = subprocess.run(
        program, input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode in allowed, done.stderr
    return done


@pytest.mark.timeout(900)
def test_commands_of_the_readme_do_what_it_says(place):
    make, commands = blocks("sh")
    assert make.split() == ["make", "demo", "make", "test"]
    assert "digits-gan" in run(place, ["bash", "-e"], commands).stdout
    assert list((place[0] / "samples").glob("*.parquet"))
    (program,) = blocks("python")
    assert "(10, 8, 8, 1)" in run(place, [sys.executable], program).stdout
    (gate,) = blocks("sh gate")
    evaluate, promote = gate.splitlines()
    evaluated = run(place, ["bash"], evaluate, (SUCCESS, REFUSED))
    assert "lift" in evaluated.stdout
    assert (place[0] / "report" / "report.html").stat().st_size > 10_000
    # Whether a generator of a minute is worth anything is not for a test to say, but promotion must say the same.
    assert run(place, ["bash"], promote, (SUCCESS, REFUSED)).returncode == evaluated.returncode
