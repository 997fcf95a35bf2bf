"""Writing many samples while the writer, or the service, is killed: every sample once, and the same bytes as ever."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bench.models import write_models

from support.cluster import Cluster
from support.studio import client_of, running_services

MODEL = "mlp32"
COUNT, ROWS = 400_000, 20_000
WITHIN_S = 150.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("bulk")
    file = write_models(folder)[MODEL]
    with running_services(folder, "catalog", "sampling") as cluster:
        with client_of(cluster) as client:
            client.jobs.wait(client.catalog.import_model(MODEL, file, kind="tensor").name)
        yield cluster


class Writer:
    """A `synthmill sample` as a process of its own; used in a with block, at whose end it is killed."""

    def __init__(self, cluster: Cluster, out: Path, *options: object) -> None:
        addresses = [f"--address={name}={cluster.address(name)}" for name in ("catalog", "sampling")]
        arguments = ["sample", MODEL, "--out", str(out), *map(str, options), *addresses]
        self.out = out
        self._process = subprocess.Popen(
            [sys.executable, "-m", "synthmill.cli", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.stderr.close()

    def kill(self) -> None:
        """Ends the process without any warning."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(WITHIN_S)

    def interrupt(self) -> int:
        """Stops the process as Ctrl-C does and returns what it exits with."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(WITHIN_S)

    def wait(self) -> str:
        """Waits for it to succeed and returns what it said."""
        said = self._process.communicate(timeout=WITHIN_S)[1]
        assert self._process.returncode == 0, said
        return said

    def wait_for_shards(self, count: int) -> None:
        """Waits until it has written so many."""
        wait_until(lambda: len(list(self.out.glob("train-*"))) >= count)
        assert self._process.poll() is None

    def resident_bytes(self) -> int | None:
        """Returns the memory that it holds; None once it has ended."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else None


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def digests(folder: Path) -> dict[str, str]:
    """Returns the digests of all files of a folder, the hidden ones too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(cluster) -> Path:
    """A folder that was written in one go."""
    with Writer(cluster, cluster.folder / "whole", "--count", COUNT, "--shard-rows", ROWS) as writer:
        writer.wait()
    return writer.out


def test_writer_killed_twice_goes_on_to_the_same_files(cluster, whole, tmp_path):
    arguments = (cluster, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS)
    for shards in (4, 11):
        with Writer(*arguments) as writer:
            writer.wait_for_shards(shards)
            writer.kill()
        assert not (writer.out / "manifest.json").exists()
    with Writer(*arguments) as writer:
        assert re.search(r"out: \d+,000 of 400,000 samples are there; going on", writer.wait())
    assert digests(writer.out) == digests(whole)
    assert sum(pq.read_metadata(path).num_rows for path in writer.out.glob("*.parquet")) == COUNT


def test_writer_outlives_the_service(cluster, whole, tmp_path):
    service = cluster.services["sampling"]
    with Writer(cluster, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS) as writer:
        writer.wait_for_shards(3)
        service.kill()
        service.restart()
        writer.wait()
    assert digests(writer.out) == digests(whole)


def test_writer_is_stopped_at_once_while_the_service_hangs(cluster, tmp_path):
    service = cluster.services["sampling"]
    with Writer(cluster, tmp_path / "out", "--count", 1 << 40, "--shard-rows", ROWS) as writer:
        writer.wait_for_shards(2)
        os.kill(service.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert writer.interrupt() == 130
            assert time.monotonic() - began < 10
        finally:
            os.kill(service.pid, signal.SIGCONT)


def test_parts_and_single_samples_are_those_of_the_whole(cluster, whole, tmp_path):
    for number in range(3):
        with Writer(cluster, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS, "--part", f"{number}/3") as part:
            part.wait()
    assert digests(tmp_path / "out") == digests(whole)
    with client_of(cluster) as client:
        for index in (0, ROWS - 1, ROWS, COUNT - 1):
            shard = whole / f"train-{index // ROWS * ROWS:015d}-{(index // ROWS + 1) * ROWS:015d}.parquet"
            stored = pq.read_table(shard)["tensor"][index % ROWS].as_py()
            alone = client.sampling.sample(MODEL, 1, start_index=index)["tensor"]
            np.testing.assert_array_equal(np.array(stored, np.float32), alone[0])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_million_samples_are_written_in_flat_memory_and_survive_two_kills(cluster, tmp_path):
    count, rows = 10_000_000, 500_000
    with Writer(cluster, tmp_path / "whole", "--count", count) as writer:
        writer.wait_for_shards(count // rows // 10)
        memory = [writer.resident_bytes()]
        while (resident := writer.resident_bytes()) is not None:
            memory.append(resident)
            time.sleep(0.02)
        writer.wait()
    print(f"resident memory: {memory[0] / 1e6:.1f} MB at one tenth, {memory[-1] / 1e6:.1f} MB at the end")
    assert abs(memory[-1] - memory[0]) < 50e6
    arguments = (cluster, tmp_path / "out", "--count", count)
    for shards in (6, 14):
        with Writer(*arguments) as writer:
            writer.wait_for_shards(shards)
            writer.kill()
    with Writer(*arguments) as writer:
        writer.wait()
    assert digests(writer.out) == digests(tmp_path / "whole")
    manifest = json.loads((writer.out / "manifest.json").read_text())
    assert [file["first_index"] for file in manifest["files"]] == list(range(0, count, rows))
    assert sum(pq.read_metadata(path).num_rows for path in writer.out.glob("*.parquet")) == count
