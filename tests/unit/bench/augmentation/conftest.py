"""A real catalog with real digits and a real augmentation service, for the whole benchmark."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from support.studio import client_of, import_digits, running_services
from synthmill.client import Client


@dataclasses.dataclass(frozen=True)
class Bench:
    """Something to measure.

    Attributes:
        client: of the services.
        addresses: arguments that name them to the command.
        pid: process id of the augmentation service.
    """

    client: Client
    addresses: tuple[str, ...]
    pid: int


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    with running_services(folder, "catalog", "augmentation") as cluster, client_of(cluster) as client:
        import_digits(client, folder)
        named = (("--address", f"{service}={cluster.address(service)}") for service in cluster.services)
        yield Bench(client, tuple(word for pair in named for word in pair), cluster.services["augmentation"].pid)
