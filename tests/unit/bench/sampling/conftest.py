"""A real catalog and a real sampling service with a small model, for the whole benchmark."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from unit.graph.generators import dense_generator

from support.studio import client_of, running_services
from synthmill.client import Client

MODEL = "models/dense"


@dataclasses.dataclass(frozen=True)
class Bench:
    """Something to measure.

    Attributes:
        client: of the services.
        addresses: arguments that name them to the command.
        plain: the model's graph before it was imported.
        pid: process id of the sampling service.
    """

    client: Client
    addresses: tuple[str, ...]
    plain: Path
    pid: int


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    plain = folder / "dense.onnx"
    onnx.save(dense_generator(latent=16, size=8, finished=False), plain)
    with running_services(folder, "catalog", "sampling") as cluster, client_of(cluster) as client:
        job = client.catalog.import_model(MODEL, plain, kind="image", parameters={"range": [-1, 1]})
        client.jobs.wait(job.name)
        named = (("--address", f"{service}={cluster.address(service)}") for service in ("catalog", "sampling"))
        yield Bench(client, tuple(word for pair in named for word in pair), plain, cluster.services["sampling"].pid)
