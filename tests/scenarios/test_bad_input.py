"""Bad input gets a typed error that names field, value and what is allowed, and the services live on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from unit.graph.generators import dense_generator

from support.cluster import Cluster
from synthmill.client import Client, dataset_spec
from synthmill.runtime.errors import (
    AlreadyExists,
    DataLoss,
    InvalidField,
    NotFound,
    OutOfRange,
    PermissionDenied,
    SynthmillError,
)
from synthmill.v1 import model_pb2


@pytest.mark.parametrize("count", [0, -1, 2**62])
def test_count_of_samples(client, model, count):
    for ask in (client.sampling.sample, lambda *given: list(client.sampling.iter_batches(*given))):
        with pytest.raises(InvalidField) as caught:
            ask(model, count)
        assert caught.value.metadata["field"] == "count"
        assert caught.value.metadata["value"] == str(count)
        assert "1 to" in caught.value.metadata["allowed"]


@pytest.mark.parametrize("start", [-1, 2**48, 2**62])
def test_start_index(client, model, start):
    with pytest.raises(InvalidField) as caught:
        client.sampling.sample(model, 1, start_index=start)
    assert caught.value.metadata["field"] == "start_index"


@pytest.mark.parametrize(("plan", "value"), [("10", "10"), ("cat", "cat"), ("3=5,cat=5", "cat"), ("3:0.5,x:1", "x")])
def test_label_that_the_model_does_not_have(client, model, plan, value):
    with pytest.raises(InvalidField) as caught:
        client.sampling.sample(model, 5, labels=plan)
    assert caught.value.metadata["field"].startswith("label_plan")
    assert caught.value.metadata["value"] == value
    assert "0, 1, 2" in caught.value.metadata["allowed"]


def test_index_beyond_the_end_of_a_plan(client, model):
    with pytest.raises(OutOfRange, match="10"):
        client.sampling.sample(model, 5, start_index=8, labels="1=10")


@pytest.mark.parametrize("truncation", [0.0, -1.0, float("nan"), float("inf")])
def test_truncation(client, model, truncation):
    with pytest.raises(InvalidField, match="truncation"):
        client.sampling.sample(model, 5, truncation=truncation)


@pytest.mark.parametrize("name", ["models/no-such-model", "models/no-such-model/versions/3"])
def test_unknown_model(client, name):
    with pytest.raises(NotFound, match="no-such-model"):
        client.sampling.sample(name, 1)


def test_malformed_model_name(client):
    with pytest.raises(InvalidField, match="model"):
        client.sampling.sample("models/../../etc", 1)


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"no_such_parameter": 1}, "parameters.no_such_parameter"),
        ({"learning_rate": float("nan")}, "parameters.learning_rate"),
        ({"learning_rate": -1}, "parameters.learning_rate"),
        ({"steps": 1.5}, "parameters.steps"),
        ({"batch_size": "many"}, "parameters.batch_size"),
    ],
)
def test_hyper_parameter(client, dataset, parameters, field):
    with pytest.raises(InvalidField) as caught:
        client.training.create_training_job(dataset, "gan", parameters=parameters)
    assert caught.value.metadata["field"] == field
    assert caught.value.metadata["allowed"]


def test_family_and_dataset(client, dataset):
    with pytest.raises(InvalidField, match="gan, vae"):
        client.training.create_training_job(dataset, "diffusion")
    with pytest.raises(NotFound, match="no-such-dataset"):
        client.training.create_training_job("datasets/no-such-dataset", "gan")


def test_request_id_of_another_request(client, dataset):
    request_id = "aaaaaaaa-2222-4333-8444-555555555555"
    arguments = {"model": "twice", "request_id": request_id}
    job = client.training.create_training_job(dataset, "gan", parameters={"steps": 1}, **arguments)
    with pytest.raises(AlreadyExists, match=request_id):
        client.training.create_training_job(dataset, "gan", parameters={"steps": 2}, **arguments)
    client.jobs.cancel(job.name)


def test_source_outside_the_allowed_roots(client):
    with pytest.raises(PermissionDenied, match="/etc"):
        client.catalog.import_dataset(dataset_spec("stolen", "image"), "/etc")


def test_model_file_with_a_flipped_byte_or_gone(client, services):
    for name, spoil in (("flipped", _flip), ("gone", Path.unlink)):
        model = _imported(client, services, name)
        spoil(services.store / "objects" / "sha256" / model.digest[:2] / model.digest[2:])
        with pytest.raises(DataLoss, match=r"sampler\.onnx"):
            client.sampling.sample(model.name, 1)


def test_model_in_memory_outlives_its_damaged_file(client, services):
    model = _imported(client, services, "held")
    before = client.sampling.sample(model.name, 10)["image"]
    _flip(services.store / "objects" / "sha256" / model.digest[:2] / model.digest[2:])
    assert np.array_equal(client.sampling.sample(model.name, 10)["image"], before)


def test_services_have_lived_through_it_all(client, services, model):
    assert client.sampling.sample(model, 3).count == 3
    for service in ("catalog", "augmentation", "training", "sampling"):
        log = services.services[service].log_tail(10_000_000)
        assert '"exception"' not in log, log[-3000:]
    with pytest.raises(SynthmillError):
        client.jobs.get("jobs/nonsense")


def _imported(client: Client, services: Cluster, name: str) -> model_pb2.Model:
    """Imports a model whose file is like that of no other one."""
    path = services.folder / f"{name}.onnx"
    onnx.save(dense_generator(latent=len(name), finished=False), str(path))
    return client.catalog.get_model(client.jobs.wait(client.catalog.import_model(name, path, kind="image").name).result)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
