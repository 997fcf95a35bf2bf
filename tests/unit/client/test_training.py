"""Training through the SDK."""

from __future__ import annotations

import uuid

import pytest

from synthmill.runtime.errors import FailedPrecondition, InvalidField


def test_training_job_is_created_once_per_request_id(client, services):
    request_id = str(uuid.uuid4())
    jobs = [client.training.create_training_job("pets", "gan", request_id=request_id) for _ in range(3)]
    assert len({job.name for job in jobs}) == 1
    assert client.jobs.wait(jobs[0].name).result == "models/pets/versions/1"
    assert services.training.requests[0].dataset == "datasets/pets"


def test_training_jobs_have_request_ids_of_their_own(client, services):
    first = client.training.create_training_job("pets", "gan", parameters={"steps": "10"}, seed=1 << 63)
    second = client.training.create_training_job("pets", "gan", model="models/other")
    assert first.name != second.name
    assert [request.seed for request in services.training.requests] == [1 << 63, 0]
    assert [request.model for request in services.training.requests] == ["", "other"]


def test_unknown_parameter_is_named(client):
    with pytest.raises(InvalidField, match=r"parameters\.layers"):
        client.training.create_training_job("pets", "gan", parameters={"layers": 3})


def test_families_are_listed(client):
    [family] = client.training.list_families()
    assert [parameter.name for parameter in family.parameters] == ["steps"]


def test_compression_job_is_created_once_per_request_id(client, services):
    request_id = str(uuid.uuid4())
    jobs = [client.training.create_compression_job("pets", request_id=request_id) for _ in range(3)]
    assert len({job.name for job in jobs}) == 1
    assert client.jobs.wait(jobs[0].name).result == "models/pets/versions/1"
    [request] = {message.SerializeToString(): message for message in services.training.compressions}.values()
    assert (request.model, list(request.methods), request.dataset) == ("models/pets", [], "")
    assert not request.HasField("max_loss")


def test_compression_says_what_it_is_told(client, services):
    client.training.create_compression_job(
        "models/pets/versions/1",
        ["prune", "int8"],
        parameters={"prune_share": 0.5},
        max_loss=0.0,
        dataset="pets",
        seed=1 << 63,
    )
    [request] = services.training.compressions
    assert (list(request.methods), request.dataset, request.seed) == (["prune", "int8"], "datasets/pets", 1 << 63)
    assert request.HasField("max_loss")
    assert request.parameters["prune_share"] == 0.5


def test_filtering_job_is_created_once_per_request_id_and_says_what_it_is_told(client, services):
    request_id = str(uuid.uuid4())
    how = {"dataset": "pets", "parameters": {"attempts": 4}, "seed": 1 << 63, "request_id": request_id}
    jobs = [client.training.create_filtering_job("pets/versions/1", **how) for _ in range(2)]
    assert len({job.name for job in jobs}) == 1
    assert client.jobs.wait(jobs[0].name).result == "models/pets/versions/1"
    request = services.training.filterings[0]
    assert (request.model, request.dataset) == ("models/pets/versions/1", "datasets/pets")
    assert (request.seed, request.parameters["attempts"]) == (1 << 63, 4)
    assert client.training.create_filtering_job("pets", validate_only=True).name == ""


def test_a_refused_compression_tells_loss_and_bound(client):
    job = client.training.create_compression_job("pets", ["fp16"])
    with pytest.raises(FailedPrecondition, match="not published") as refusal:
        client.jobs.wait(job.name)
    assert refusal.value.metadata["loss"] == "3.0000"
    assert refusal.value.metadata["max_loss"] == "0.5"
