"""Seventy thousand images augmented while worker and service are killed at random moments."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import numpy as np
import pytest

from support.cluster import children_of
from support.studio import client_of, running_services
from synthmill.client import Client, dataset_spec
from synthmill.runtime.errors import Cancelled, Unavailable
from synthmill.v1 import dataset_pb2, job_pb2

COUNT, CLASSES, SEED = 70_000, 10, 11
FLAGS = ["--lease-s", "3", "--heartbeat-s", "0.4", "--max-attempts", "100", "--checkpoint-interval-s", "0.5"]
POLICY = {
    "steps": [
        {"op": "rotate", "degrees": [-15, 15]},
        {"op": "random_resized_crop", "area": [0.6, 1]},
        {"op": "gaussian_noise", "probability": 0.5},
        {"op": "erase", "probability": 0.5},
    ]
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("augmentation")
    with running_services(folder, "catalog", "augmentation", flags={"augmentation": FLAGS}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with client_of(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(cluster, client) -> str:
    """A dataset whose images are all different, and as smooth as those of real data."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (COUNT, 7, 7), np.uint8)
    images = np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2)
    np.savez(cluster.folder / "many.npz", x=images, y=np.arange(COUNT) % CLASSES)
    spec = dataset_spec("many", "image", parameters={"test_fraction": 0.0})
    return client.jobs.wait(client.catalog.import_dataset(spec, str(cluster.folder / "many.npz")).name).result


def augment(client: Client, dataset: str, name: str) -> job_pb2.Job:
    return client.augmentation.create_augmentation_job(dataset, POLICY, name=name, seed=SEED)


def finished(client: Client, job: job_pb2.Job) -> dataset_pb2.Dataset:
    while True:
        with contextlib.suppress(Unavailable):
            return client.catalog.get_dataset(client.jobs.wait(job.name).result)


def test_a_job_that_is_killed_again_and_again_makes_what_an_undisturbed_one_makes(cluster, client, dataset):
    undisturbed = finished(client, augment(client, dataset, "undisturbed"))
    assert undisturbed.record_count == 2 * COUNT
    moments = random.Random(5)
    job = augment(client, dataset, "disturbed")
    service = cluster.services["augmentation"]
    for disturb in moments.sample(["worker", "worker", "worker", "service", "service", "cancel"], k=6):
        time.sleep(moments.uniform(0.5, 4.0))
        if client.jobs.get(job.name).end_time.seconds:
            break
        if disturb == "worker":
            for pid in children_of(service.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif disturb == "service":
            service.kill()
            service.restart()
        else:
            client.jobs.cancel(job.name)
            with contextlib.suppress(Cancelled):
                client.jobs.wait(job.name)
            client.jobs.resume(job.name)
    found = finished(client, job)
    assert client.jobs.get(job.name).attempts >= 4
    assert found.record_count == 2 * COUNT
    assert found.digest == undisturbed.digest
    assert [each.sha256 for each in found.artifacts] == [each.sha256 for each in undisturbed.artifacts]
    for record in (COUNT, COUNT + 12_345, 2 * COUNT - 1):
        lineage = client.augmentation.get_lineage(found.name, record)
        [source] = client.catalog.read_records(dataset, start_index=lineage.source_record, count=1)
        given, indices = [{"image": source["image"][0]}], [lineage.index]
        [again] = client.augmentation.augment_records(given, lineage.policy, seed=lineage.seed, indices=indices)
        [kept] = client.catalog.read_records(found.name, start_index=record, count=1)
        assert again["image"].tobytes() == kept["image"][0].tobytes()
