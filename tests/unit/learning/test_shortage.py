"""Memory or disk run out: the run says so, goes on where it can, and loses nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from unit.learning.tasks import MACHINE, points_task, toy_kind_environment
from unit.learning.test_train import learned

from synthmill.learning import checkpoint
from synthmill.learning.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from synthmill.learning.run import is_out_of_memory, train
from synthmill.runtime.errors import ResourceExhausted

pytestmark = pytest.mark.usefixtures("_toy_kind")

# Lets a process have so much more memory than it has after everything is loaded, and trains.
SCRIPT = """
import dataclasses, json, pathlib, resource, sys
import torch
from unit.learning.tasks import MACHINE, points_task
from synthmill.learning.families.adversarial import Adversarial
from synthmill.learning.run import train
folder, more = pathlib.Path(sys.argv[1]), int(sys.argv[2])
task = points_task(folder / "data", steps=6, batch_size=65_536, latent_size=256)
torch.ones(8, 8).matmul(torch.ones(8, 8))
step = Adversarial.train_step
def limited(self, given):
    size = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))
    try:
        return step(self, given)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
Adversarial.train_step = limited
try:
    result = train(task, folder / "run", machine=MACHINE, say=lambda text: print(text, flush=True))
    print(json.loads(result.artifacts["card.json"].read_text())["training"]["changes"]["batch_divisor"])
except Exception as error:
    print(type(error).__name__, error)
"""


def train_within(folder: Path, more_bytes: int) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), str(more_bytes)]
    environment = toy_kind_environment() | {"MALLOC_ARENA_MAX": "1"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux: the size of a process from /proc")
@pytest.mark.parametrize(
    ("more_bytes", "last"),
    [(1 << 32, "1"), (1 << 25, "ResourceExhausted")],
    ids=["enough", "far-too-little"],
)
def test_a_batch_that_does_not_fit_is_halved_once(tmp_path, more_bytes, last):
    told = train_within(tmp_path, more_bytes)
    assert told[-1].startswith(last)
    if last == "ResourceExhausted":
        assert told[0] == (
            "step 0: out of memory with batches of 65536 records; going on from step 0 with batches of 32768"
        )
        assert "a batch of 32768 records needs more memory than there is; a smaller batch_size" in told[-1]
        assert len(told) == 2


class OutOfMemoryOnce:
    """Fails one look of the run as the allocator of a device would."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_run_out_of_memory_goes_on_from_its_checkpoint_with_half_the_batch(tmp_path):
    said, steps = [], []
    machine = dataclasses.replace(MACHINE, checkpoint_interval_s=0.0)
    task = points_task(tmp_path / "data", steps=20)
    result = train(
        task,
        tmp_path / "run",
        machine=machine,
        check=OutOfMemoryOnce(8),
        say=said.append,
        progress=lambda progress: steps.append(progress.step),
    )
    assert said == ["step 7: out of memory with batches of 8 records; going on from step 7 with batches of 4"]
    assert steps == [*range(1, 21), 20]
    written = json.loads(result.artifacts["card.json"].read_text())
    assert written["training"]["changes"]["batch_divisor"] == 2
    assert said[0] in written["events"]
    # What was decided holds for a later attempt, too.
    again = train(task, tmp_path / "run", machine=machine)
    assert learned(again) == learned(result)


def test_a_second_shortage_of_memory_ends_the_run_with_advice(tmp_path):
    def check() -> None:
        raise MemoryError

    with pytest.raises(ResourceExhausted, match="a smaller batch_size, latent_size or width needs less") as refusal:
        train(points_task(tmp_path / "data"), tmp_path / "run", machine=MACHINE, check=check)
    assert refusal.value.metadata == {"field": "batch_size", "value": "4"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_only_a_shortage_of_memory_counts_as_one(error, expected):
    assert is_out_of_memory(error) == expected


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int):
    """Mounts a file system of a size, if the machine lets us."""
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(options, check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: it takes root and the right to mount tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def a_checkpoint(step: int, size_bytes: int) -> Checkpoint:
    return Checkpoint(step, {"w": torch.full((size_bytes,), step, dtype=torch.uint8)}, {})


def test_a_checkpoint_that_does_not_fit_leaves_the_ones_before(tmp_path):
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        write_checkpoint(disk, a_checkpoint(1, 300_000))
        write_checkpoint(disk, a_checkpoint(2, 300_000))
        with pytest.raises(OSError, match="No space left") as full:
            write_checkpoint(disk, a_checkpoint(3, 600_000))
        assert full.value.errno == errno.ENOSPC
        assert read_checkpoint(disk).step == 2
        assert len(list(disk.iterdir())) == 4


def test_a_run_on_a_full_disk_says_so_goes_on_and_ends_well_if_there_is_room_again(tmp_path):
    said = []
    task = points_task(tmp_path / "data", steps=12)
    whole = learned(train(task, tmp_path / "whole", machine=MACHINE))
    with small_disk(tmp_path / "disk", 3 << 20) as disk:
        ballast = disk / "ballast"
        seen = []

        def fill() -> None:
            if not seen:
                ballast.write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize))

        def free(progress) -> None:
            seen.append(progress.step)
            if progress.step == 9:
                ballast.unlink()

        machine = dataclasses.replace(MACHINE, checkpoint_interval_s=0.0)
        result = train(task, disk / "run", machine=machine, check=fill, progress=free, say=said.append)
        # All but the film, which lacks the pictures that had no room.
        assert {**learned(result), "samples.gif": b""} == {**whole, "samples.gif": b""}
    assert seen == [*range(1, 13), 12]
    assert len(said) == 1
    assert said[0].startswith("step 1: the disk is full, no checkpoint could be written")


def test_a_full_disk_is_seen_at_the_seam_as_well(tmp_path, monkeypatch):
    """The same without a mount: our own writing of files fails as a full disk does."""
    said = []
    real = checkpoint.write_atomically

    def full_for_a_while(path: Path, data: bytes) -> None:
        if path.suffix == ".safetensors" and path.stem in ("step-000000005", "step-000000006"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, data)

    monkeypatch.setattr(checkpoint, "write_atomically", full_for_a_while)
    machine = dataclasses.replace(MACHINE, checkpoint_interval_s=0.0)
    task = points_task(tmp_path / "data")
    result = train(task, tmp_path / "run", machine=machine, say=said.append)
    assert len(said) == 1
    monkeypatch.undo()
    assert learned(result) == learned(train(task, tmp_path / "whole", machine=MACHINE))
