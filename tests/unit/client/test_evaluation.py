"""Evaluation through the SDK."""

from __future__ import annotations

import uuid

import pytest
from unit.client.fakes.evaluation import PASSED, REFUSED, REPORT_FILES
from unit.client.fakes.model import MODEL

from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.v1 import evaluation_pb2


def test_evaluation_job_is_created_once_per_request_id(client, services):
    request_id = str(uuid.uuid4())
    jobs = [client.evaluation.create_evaluation_job("pets", request_id=request_id) for _ in range(3)]
    assert len({job.name for job in jobs}) == 1
    assert client.jobs.wait(jobs[0].name).result == PASSED
    [request] = {message.SerializeToString(): message for message in services.evaluation.requests}.values()
    assert (request.subject, request.against, request.seeds, request.samples) == (MODEL, "", 0, 0)
    assert not request.HasField("policy")
    assert (request.ready_made, request.policy_name) == ("", "")


def test_evaluation_says_what_it_is_told(client, services):
    client.evaluation.create_evaluation_job(
        "datasets/pets/versions/2",
        "pets",
        seeds=5,
        probe_steps=100,
        samples=2000,
        policy={"steps": [{"op": "horizontal_flip"}]},
        thresholds={"coverage": 0.25},
        without_thresholds=["coverage"],
        seed=1 << 63,
    )
    [request] = services.evaluation.requests
    assert (request.subject, request.against) == ("datasets/pets/versions/2", "datasets/pets")
    assert (request.seeds, request.probe_steps, request.samples, request.seed) == (5, 100, 2000, 1 << 63)
    assert dict(request.thresholds) == {"coverage": 0.25}
    assert list(request.without_thresholds) == ["coverage"]
    assert request.policy.steps[0].operation.name == "horizontal_flip"


@pytest.mark.parametrize(
    ("policy", "field"), [("strong", "ready_made"), ("policies/pets/versions/3", "policy_name")], ids=["ready", "saved"]
)
def test_policy_may_be_a_name(client, services, policy, field):
    client.evaluation.create_evaluation_job("pets", policy=policy)
    assert getattr(services.evaluation.requests[0], field) == policy


def test_what_is_not_there_or_not_allowed_is_told(client):
    with pytest.raises(NotFound):
        client.evaluation.create_evaluation_job("dragons")
    with pytest.raises(InvalidField, match="thresholds"):
        client.evaluation.create_evaluation_job("pets", thresholds={"beauty": 1})
    with pytest.raises(InvalidField, match="seeds"):
        client.evaluation.create_evaluation_job("pets", seeds=1 << 31)


def test_thresholds_are_listed(client):
    [threshold] = client.evaluation.list_thresholds()
    assert (threshold.figure, threshold.default_value) == ("coverage", 0.5)
    assert threshold.better == evaluation_pb2.BETTER_HIGH


def test_what_was_found_is_read_from_the_catalog(client):
    refused = client.catalog.get_evaluation("1")
    assert (refused.name, refused.passed) == (REFUSED, False)
    assert client.catalog.get_evaluation(PASSED).passed
    assert [item.name for item in client.catalog.list_evaluations()] == [PASSED, REFUSED]
    assert [item.name for item in client.catalog.list_evaluations("pets/versions/1")] == [PASSED, REFUSED]
    assert list(client.catalog.list_evaluations("datasets/pets")) == []
    report = next(artifact for artifact in refused.artifacts if artifact.name == "report.html")
    assert b"".join(client.catalog.read_artifact(refused.name, report)) == REPORT_FILES["report.html"]


async def test_async_evaluation(async_client):
    job = await async_client.evaluation.create_evaluation_job("pets", thresholds={"coverage": 0.9})
    assert (await async_client.jobs.wait(job.name)).result == REFUSED
    assert not (await async_client.catalog.get_evaluation(REFUSED)).passed
