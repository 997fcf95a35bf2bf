"""Real services with a tiny model in them, once for all scenarios."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cluster import Cluster
from support.studio import client_of, import_digits, running_services, start_training
from synthmill.client import Client


@pytest.fixture(scope="session")
def services(tmp_path_factory) -> Iterator[Cluster]:
    flags = {
        "training": ["--picture-interval-s", "0"],
        "augmentation": ["--checkpoint-interval-s", "0", "--lease-s", "2", "--heartbeat-s", "0.4"],
    }
    folder = tmp_path_factory.mktemp("scenarios")
    services = ("catalog", "augmentation", "training", "sampling", "evaluation")
    with running_services(folder, *services, flags=flags) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def client(services) -> Iterator[Client]:
    with client_of(services) as client:
        yield client


@pytest.fixture(scope="session")
def dataset(client, services) -> str:
    return import_digits(client, services.folder)


@pytest.fixture(scope="session")
def model(client, dataset) -> str:
    return client.jobs.wait(start_training(client).name).result
