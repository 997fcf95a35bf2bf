"""Sampling while its service, its catalog and its clients are stopped, killed and asleep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from unit.graph.generators import LABELS, dense_generator

from support.cluster import Cluster
from support.studio import client_of, running_services
from synthmill.client import Client

MODEL = "models/faults"
SEED = 2**63 + 5
# More than the network holds while a reader rests.
COUNT = 100_000
WITHIN_S = 30.0

# Reads a stream without an end, and says when it has begun.
READER = """
import sys
from synthmill.client import Client
with Client(sampling_address=sys.argv[1]) as client:
    for batch in client.sampling.iter_batches(sys.argv[2], 10**9):
        print(batch.count, flush=True)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    flags = {"sampling": ["--fresh-s", "0.1", "--drain-grace-s", "5"]}
    with running_services(tmp_path_factory.mktemp("sampling"), "catalog", "sampling", flags=flags) as cluster:
        with client_of(cluster) as client:
            publish(client, cluster.folder, 8)
        yield cluster


@pytest.fixture
def client(cluster) -> Iterator[Client]:
    with client_of(cluster) as client:
        yield client


def publish(client: Client, folder: Path, latent: int) -> str:
    """Publishes one more version of the model and promotes it."""
    path = folder / f"{latent}.onnx"
    onnx.save(dense_generator(latent, 16, len(LABELS), finished=False), path)
    job = client.catalog.import_model(MODEL, path, kind="image", labels=LABELS)
    return client.catalog.promote_model(client.jobs.wait(job.name).result, override_reason="this test").name


def active_calls(client: Client) -> int:
    return sum(loaded.active_calls for loaded in client.sampling.list_loaded_models())


def asked(client: Client, times: int) -> list[float]:
    """Asks for a few samples, one after the other; returns how long each took."""
    seconds = []
    for start in range(times):
        began = time.monotonic()
        assert client.sampling.sample(MODEL, 3, start_index=start).count == 3
        seconds.append(time.monotonic() - began)
        time.sleep(0.05)
    return seconds


def test_service_that_is_asked_to_end_in_the_middle_of_a_stream_is_not_noticed(cluster, client):
    whole = client.sampling.sample(MODEL, 1000, seed=SEED)["image"].tobytes()
    sampling = cluster.services["sampling"]
    statuses = []

    def restart() -> None:
        statuses.append(sampling.stop())
        sampling.restart()

    restarting = threading.Thread(target=restart)
    taken = []
    for number, batch in enumerate(client.sampling.iter_batches(MODEL, COUNT, batch_size=1000, seed=SEED)):
        taken.append(batch)
        if number == 2:
            restarting.start()
    restarting.join()
    assert statuses == [0]
    assert "StreamSamples UNAVAILABLE" in sampling.log_tail()
    assert taken[0]["image"].tobytes() == whole
    assert [batch.first_index for batch in taken] == list(range(0, COUNT, 1000))
    # The same once more, from a service that has never been interrupted.
    again = client.sampling.iter_batches(MODEL, COUNT, batch_size=1000, seed=SEED)
    for first, second in zip(taken, again, strict=True):
        assert np.array_equal(first["image"], second["image"])
        assert np.array_equal(first["label"], second["label"])


@pytest.mark.parametrize("fault", ["killed", "asleep"])
def test_catalog_that_is_away_is_hardly_noticed_and_believed_again_when_it_is_back(cluster, client, fault):
    before = client.sampling.load_model(MODEL).model.name
    catalog = cluster.services["catalog"]
    if fault == "killed":
        catalog.kill()
    else:
        os.kill(catalog.pid, signal.SIGSTOP)
    try:
        seconds = asked(client, 12)
        assert client.sampling.sample(MODEL, 1).count == 1
    finally:
        if fault == "killed":
            catalog.restart()
        else:
            os.kill(catalog.pid, signal.SIGCONT)
    # Whoever finds out that the catalog is away may wait for a moment; nobody else does.
    assert sorted(seconds)[-3] < 0.5
    assert sum(seconds) < 5.0
    new = publish(client, cluster.folder, 9 if fault == "killed" else 10)
    assert new != before
    deadline = time.monotonic() + WITHIN_S
    while client.sampling.sample(MODEL, 1).model != new:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_client_that_is_killed_in_the_middle_of_a_stream_frees_what_it_held(cluster, client):
    command = [sys.executable, "-c", READER, cluster.address("sampling"), MODEL]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for reader in readers:
            assert int(reader.stdout.readline()) > 0
        assert active_calls(client) == 3
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
            reader.stdout.close()
    deadline = time.monotonic() + 5.0
    while active_calls(client):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert max(asked(client, 5)) < 2.0
