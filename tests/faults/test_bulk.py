"""Writing many samples while the writer, or the service, is killed: every sample once, and the same bytes as ever."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bench.models import write_models

from support.bulk import Writer, digests
from support.cluster import Cluster
from support.studio import client_of, running_services

MODEL = "mlp32"
COUNT, ROWS = 400_000, 20_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("bulk")
    file = write_models(folder)[MODEL]
    with running_services(folder, "catalog", "sampling") as cluster:
        with client_of(cluster) as client:
            client.jobs.wait(client.catalog.import_model(MODEL, file, kind="tensor").name)
        yield cluster


@pytest.fixture(scope="module")
def whole(cluster) -> Path:
    """A folder that was written in one go."""
    with Writer(cluster, MODEL, cluster.folder / "whole", "--count", COUNT, "--shard-rows", ROWS) as writer:
        writer.wait()
    return writer.out


def test_writer_killed_twice_goes_on_to_the_same_files(cluster, whole, tmp_path):
    arguments = (cluster, MODEL, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS)
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
    with Writer(cluster, MODEL, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS) as writer:
        writer.wait_for_shards(3)
        service.kill()
        service.restart()
        writer.wait()
    assert digests(writer.out) == digests(whole)


def test_writer_is_stopped_at_once_while_the_service_hangs(cluster, tmp_path):
    service = cluster.services["sampling"]
    with Writer(cluster, MODEL, tmp_path / "out", "--count", 1 << 40, "--shard-rows", ROWS) as writer:
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
        with Writer(
            cluster, MODEL, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS, "--part", f"{number}/3"
        ) as part:
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
    with Writer(cluster, MODEL, tmp_path / "whole", "--count", count) as writer:
        writer.wait_for_shards(count // rows // 10)
        memory = [writer.resident_bytes()]
        while (resident := writer.resident_bytes()) is not None:
            memory.append(resident)
            time.sleep(0.02)
        writer.wait()
    print(f"resident memory: {memory[0] / 1e6:.1f} MB at one tenth, {memory[-1] / 1e6:.1f} MB at the end")
    assert abs(memory[-1] - memory[0]) < 50e6
    arguments = (cluster, MODEL, tmp_path / "out", "--count", count)
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
