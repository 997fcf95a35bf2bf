"""Services that share nothing but a bucket of S3, each with a local folder of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest

from support.cluster import READY_WITHIN_S, Cluster
from support.s3 import SECRET, S3Server
from support.studio import client_of, import_digits, running_services, start_training
from synthmill.client import Client
from synthmill.v1 import dataset_pb2, model_pb2

PREFIX = "tests/objects/sha256/"
SAMPLER = "sampler.onnx"
SERVICES = ("catalog", "augmentation", "training", "sampling", "evaluation", "pipeline")


@pytest.fixture(scope="module")
def bucket(s3_server) -> str:
    return s3_server.make_bucket()


@pytest.fixture(scope="module")
def services(s3_server, bucket, tmp_path_factory) -> Iterator[Cluster]:
    folder, flags = tmp_path_factory.mktemp("services"), {"catalog": ["--sweep-interval-s", "0.3"]}
    settings = {"flags": flags, "store_url": f"s3://{bucket}/tests", "env": s3_server.env}
    with running_services(folder, "catalog", "training", "sampling", **settings) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(services) -> Iterator[Client]:
    with client_of(services) as client:
        yield client


@pytest.fixture(scope="module")
def model(client, services) -> model_pb2.Model:
    return trained(client, services.folder)


def trained(client: Client, folder: Path) -> model_pb2.Model:
    import_digits(client, folder)
    return client.catalog.get_model(client.jobs.wait(start_training(client).name).result)


def graph_of(client: Client, model: model_pb2.Model, path: Path) -> bytes:
    (artifact,) = (artifact for artifact in model.artifacts if artifact.name == SAMPLER)
    client.catalog.download_artifact(model.name, artifact, path)
    return onnx.load(path).graph.SerializeToString(deterministic=True)


def digests(version: model_pb2.Model | dataset_pb2.Dataset) -> dict[str, str]:
    return {artifact.name: artifact.sha256 for artifact in version.artifacts}


def stored(server: S3Server, bucket: str) -> set[str]:
    keys = server.keys(bucket)
    assert all(key.startswith(PREFIX) for key in keys)
    return {key.removeprefix(PREFIX).replace("/", "") for key in keys}


def eventually(condition: Callable[[], bool], within_s: float = 15.0) -> bool:
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


@pytest.fixture(scope="module")
def graph_on_a_folder(tmp_path_factory) -> Iterator[Future[bytes]]:
    """What the same training gives where the store is a folder; begun beside that on the bucket."""

    def train() -> bytes:
        folder = tmp_path_factory.mktemp("folder")
        with running_services(folder, "catalog", "training") as cluster, client_of(cluster) as client:
            return graph_of(client, trained(client, folder), folder / SAMPLER)

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(train)


def test_model_is_that_of_the_same_training_on_a_folder(graph_on_a_folder, client, model, tmp_path):
    # The files differ: they tell when they were made.
    assert graph_of(client, model, tmp_path / SAMPLER) == graph_on_a_folder.result()


def test_replicas_that_share_the_bucket_alone_make_the_same_samples(client, model, services):
    first = client.sampling.sample(model.name, 200, seed=7)["image"].tobytes()
    services.add("sampling", "replica")
    with client_of(services, sampling="replica") as other:
        assert other.sampling.sample(model.name, 200, seed=7)["image"].tobytes() == first


def test_training_reads_local_copies_of_its_dataset(client, model, services):
    copies = {path.name for path in (services.folder / "local" / "training" / "cache").iterdir()}
    assert copies
    assert copies <= set(digests(client.catalog.get_dataset("digits")).values())


def test_every_file_of_a_version_is_an_object_and_can_be_had(client, model, s3_server, bucket, tmp_path):
    assert set(digests(model).values()) <= stored(s3_server, bucket)
    for artifact in model.artifacts:
        path = tmp_path / artifact.name
        client.catalog.download_artifact(model.name, artifact, path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256


def test_deleted_version_takes_its_objects_along(client, model, s3_server, bucket):
    dataset = set(digests(client.catalog.get_dataset("digits")).values())
    owned = set(digests(model).values()) - dataset
    client.catalog.delete_model(model.name)
    assert eventually(lambda: not owned & stored(s3_server, bucket))
    assert dataset <= stored(s3_server, bucket)


def test_logs_hold_no_secrets(services, model):
    for service in services.services.values():
        assert SECRET not in service.log_tail(10**9)


def test_services_whose_bucket_is_not_there_do_not_begin(s3_server, tmp_path):
    flags = ["--store", "s3://no-such-bucket", "--port", "0", "--local", str(tmp_path)]
    begun = {
        service: subprocess.Popen(
            [sys.executable, "-m", f"synthmill.{service}", *flags],
            env={**os.environ, **s3_server.env},
            stderr=subprocess.PIPE,
            text=True,
        )
        for service in SERVICES
    }
    for service, process in begun.items():
        _, said = process.communicate(timeout=READY_WITHIN_S)
        assert said.splitlines()[-1] == f"{service}: store s3://no-such-bucket: there is no such bucket"
        assert process.returncode == 2
