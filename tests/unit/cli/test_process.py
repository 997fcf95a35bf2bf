"""The command as a process: quick to start, and stopped without a trace."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

COMMAND = [sys.executable, "-m", "synthmill.cli"]


def test_help_is_quick():
    before = os.times()
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    after = os.times()
    assert "sample" in done.stdout
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.5


def test_version_is_printed():
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"synthmill {version('synthmill')}\n"


@pytest.mark.parametrize("verb", ["datasets import", "train", "jobs watch", "models import", "sample", "up", "serve"])
def test_every_verb_has_help(verb):
    done = subprocess.run([*COMMAND, *verb.split(), "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_sample_leaves_nothing(services, tmp_path, number, code):
    arguments = ["sample", "pets", "--count", str(1 << 40), "--out", str(tmp_path / "pets.npz")]
    process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".pets.npz.*/0.npy")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_folder_is_gone_on_with(services, tmp_path, number, code):
    def sample(out: str) -> subprocess.Popen[str]:
        arguments = ["sample", "pets", "--count", "20000", "--shard-rows", "500", "--out", str(tmp_path / out)]
        return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    whole, process = sample("whole"), sample("pets")
    deadline = time.monotonic() + 30
    while len(list((tmp_path / "pets").glob("train-*"))) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert said.endswith("pets is not complete; the same command goes on with it\n")
        assert not list((tmp_path / "pets").rglob("*.partial"))
    assert not (tmp_path / "pets/manifest.json").exists()
    again = sample("pets")
    assert "are there; going on" in again.communicate(timeout=30)[1]
    whole.communicate(timeout=30)
    assert again.returncode == whole.returncode == 0
    compare = ["diff", "-r", str(tmp_path / "pets"), str(tmp_path / "whole")]
    assert subprocess.run(compare, capture_output=True, text=True).stdout == ""


@pytest.mark.parametrize("format_name", ["parquet", "npz", "webdataset", "png"])
def test_file_system_without_room_is_named(services, tmp_path, format_name):
    arguments = ["sample", "pets", "--count", "20000", "--format", format_name, "--out", str(tmp_path / "pets")]
    command = "ulimit -f 64; trap '' XFSZ; exec " + shlex.join([*COMMAND, *arguments])
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert str(tmp_path / "pets") in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_reader_that_has_seen_enough_is_told_nothing(services):
    command = f"{sys.executable} -m synthmill.cli datasets list --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
