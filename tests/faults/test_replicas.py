"""Two sampling replicas behind one address: whichever is killed, streams go on at the other with the same bytes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from unit.graph.generators import dense_generator

from support.cluster import Cluster
from support.studio import client_of, running_services
from synthmill.client import Client

MODEL, COUNT = "spread", 600_000
# A stream whose reader takes its time is under way for long enough to be hit.
PAUSE_S = 0.05


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with running_services(tmp_path_factory.mktemp("replicas"), "catalog", "sampling") as cluster:
        cluster.add("sampling", "other")
        path = cluster.folder / "graph.onnx"
        path.write_bytes(dense_generator(8, finished=False).SerializeToString())
        client = client_of(cluster)
        client.jobs.wait(client.catalog.import_model(MODEL, path, kind="image").name)
        yield cluster


@pytest.fixture
def client(cluster) -> Iterator[Client]:
    """A client that sees both replicas behind one address."""
    replicas = ",".join(cluster.address(name) for name in ("sampling", "other"))
    with Client(catalog_address=cluster.address("catalog"), sampling_address=f"ipv4:{replicas}") as client:
        yield client


def read(client: Client, killing: threading.Event | None = None) -> tuple[int, str]:
    """Streams all samples; returns their number and the digest of their bytes in order."""
    # One column, so that it does not matter where batches end.
    digest, count = hashlib.sha256(), 0
    for batch in client.sampling.iter_batches(MODEL, COUNT):
        assert batch.first_index == count
        (column,) = batch.columns.values()
        digest.update(column.tobytes())
        count += batch.count
        if killing:
            time.sleep(PAUSE_S)
            if count > COUNT // 4:
                killing.set()
    return count, digest.hexdigest()


def test_streams_go_on_at_the_other_replica(cluster, client):
    expected = read(client)
    assert expected[0] == COUNT
    for name in ("sampling", "other"):
        under_way = threading.Event()
        with ThreadPoolExecutor() as streams:
            found = [streams.submit(read, client, under_way) for _ in range(3)]
            assert under_way.wait(60)
            cluster.services[name].kill()
        assert [stream.result() for stream in found] == [expected] * 3
        cluster.services[name].restart()


def test_replica_that_ends_in_order_hands_its_streams_over(cluster, client):
    """As in a rolling update: SIGTERM, then another process at the same address."""
    expected, under_way = read(client), threading.Event()
    with ThreadPoolExecutor() as streams:
        found = streams.submit(read, client, under_way)
        assert under_way.wait(60)
        for name in ("sampling", "other"):
            assert cluster.services[name].stop() == 0
            cluster.services[name].restart()
    assert found.result() == expected
