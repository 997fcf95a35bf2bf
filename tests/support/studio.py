"""Real services with real digits in them, for tests of the whole path."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from support.cluster import Cluster
from support.data import digits
from synthmill.client import Client, dataset_spec
from synthmill.client.addresses import SERVICES
from synthmill.v1 import job_pb2

TINY = {"steps": 30, "width": 8, "latent_size": 8, "batch_size": 16}
"""Hyper-parameters of a generator that is trained in a second or two and makes noise."""

DATASET = "datasets/digits"


def client_of(cluster: Cluster, **names: str) -> Client:
    """Returns a client of a cluster; `names` chooses a replica by service."""
    found = {service: names.get(service, service) for service in SERVICES}
    addresses = {
        f"{service}_address": cluster.address(name) for service, name in found.items() if name in cluster.services
    }
    return Client(**addresses)


def import_digits(client: Client, folder: Path, name: str = "digits", count: int = 400) -> str:
    """Imports scikit-learn's digits and returns the dataset version."""
    images, labels = digits()
    source = folder / f"{name}.npz"
    np.savez(source, x=images[:count], y=labels[:count])
    spec = dataset_spec(name, "image", license="CC-BY-4.0", origin="scikit-learn")
    return client.jobs.wait(client.catalog.import_dataset(spec, str(source)).name).result


def start_training(
    client: Client, family: str = "gan", model: str = "", seed: int = 1, **parameters: Any
) -> job_pb2.Job:
    """Begins to train a tiny generator on the digits."""
    given: Mapping[str, Any] = {**TINY, **parameters}
    return client.training.create_training_job(DATASET, family, model=model, parameters=given, seed=seed)


@contextlib.contextmanager
def running_services(
    folder: Path, *services: str, flags: Mapping[str, list[str]] | None = None, **settings: Any
) -> Iterator[Cluster]:
    """Runs services, the catalog first, for the length of a with block; `settings` are those of `Cluster`."""
    cluster = Cluster(folder, allowed_roots=[folder], **settings)
    try:
        for service in services:
            cluster.add(service, flags=(flags or {}).get(service))
        yield cluster
    finally:
        cluster.kill()
