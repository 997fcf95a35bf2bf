"""The pipeline service as a process, over fake services: plans are checked, loops run, are told of and read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit.pipeline.attempts import SMALL, with_changes
from unit.pipeline.makes import DATASET, make_dataset
from unit.pipeline.world import World, running_world

from support.cluster import ServiceProcess
from synthmill.cli.output import to_json
from synthmill.client import Client
from synthmill.runtime.errors import AlreadyExists, FailedPrecondition, InvalidField, NotFound
from synthmill.v1 import artifact_pb2, job_pb2, loop_pb2


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running_world(World()) as world:
        bare = "datasets/bare/versions/1"
        world.datasets[bare] = make_dataset(bare, splits=("train", "test"))
        yield world


@pytest.fixture(scope="module")
def client(world, tmp_path_factory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("pipeline")
    flags = [part for name, address in world.addresses.items() for part in (f"--{name}-address", address)]
    service = ServiceProcess("pipeline", folder / "store", folder / "pipeline.log", flags, {})
    service.start()
    with Client(pipeline_address=service.address) as client:
        yield client
    assert service.stop() == 0


def resolved(client: Client, plan: dict) -> dict:
    return to_json(client.pipeline.create_loop_job(plan, validate_only=True))["parameters"]


def test_plan_of_one_line_is_filled_in_with_what_the_services_know(client):
    plan = resolved(client, {"dataset": "pets"})
    assert (plan["model"], plan["budget"]) == ("pets-loop", {"minutes": 60, "trials": 15, "rounds": 2})
    assert plan["augment"]["policies"] == ["light", "standard", "rand_augment", "rand_augment(4, 4)"]
    assert set(plan["train"]["families"]) == {"gan", "vae"}
    # The family has no latent_size.
    assert set(plan["train"]["families"]["vae"]["parameters"]) == {"learning_rate", "width"}
    assert resolved(client, {**plan, "seed": 0}) == plan


def test_plan_of_a_source_is_checked_by_its_kind(client):
    plan = resolved(client, {"source": "/data/pets.zip", "kind": "image"})
    assert plan["collect"]["name"] == "pets"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"augment": {"policies": ["light", "heavy"]}}, "augment.policies[1]"),
        ({"train": {"families": {"flow": {}}}}, "train.families.flow"),
        ({"train": {"families": {"vae": {"parameters": {"depth": [1]}}}}}, "train.families.vae.parameters.depth"),
        ({"train": {"families": {"vae": {"parameters": {"width": [8, 2000]}}}}}, "train.families.vae.parameters.width"),
        (
            {"train": {"families": {"vae": {"parameters": {"prior": {"low": 1, "high": 2}}}}}},
            "train.families.vae.parameters.prior",
        ),
        ({"evaluate": {"thresholds": {"beauty": 1}}}, "evaluate.thresholds.beauty"),
        ({"evaluate": {"without_thresholds": ["lift", "beauty"]}}, "evaluate.without_thresholds[1]"),
        ({"budget": {"rounds": 0}}, "budget.rounds"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_service_knows_is_refused_by_its_path(client, changes, field):
    with pytest.raises(InvalidField) as caught:
        client.pipeline.create_loop_job({"dataset": "pets", **changes})
    assert caught.value.metadata["field"] == field


def test_dataset_that_cannot_be_looped_over_is_refused(client):
    with pytest.raises(NotFound):
        client.pipeline.create_loop_job({"dataset": "dragons"})
    with pytest.raises(FailedPrecondition, match="import the source with a validation_fraction"):
        client.pipeline.create_loop_job({"dataset": "bare"})


def test_loop_runs_and_is_told_of(client, world, tmp_path):
    request_id = "0f0e0d0c-0b0a-4908-8706-050403020100"
    job = client.pipeline.create_loop_job(SMALL, request_id=request_id)
    name = f"loops/{job.name.removeprefix('jobs/pipeline-')}"
    begun = client.pipeline.get_loop(name)
    assert (begun.job, begun.plan.dataset, begun.plan.budget.trials) == (job.name, "datasets/pets", 7)
    messages = []
    done = client.jobs.wait(job.name, on_event=lambda event: messages.append(event.message))
    assert done.result == name
    assert client.pipeline.create_loop_job(SMALL, request_id=request_id).name == job.name
    with pytest.raises(AlreadyExists):
        client.pipeline.create_loop_job(with_changes(SMALL, budget={"trials": 8}), request_id=request_id)
    loop = client.pipeline.get_loop(name)
    assert loop.state == job_pb2.JOB_STATE_SUCCEEDED
    assert loop.dataset == DATASET
    assert loop.decision.outcome == loop_pb2.LOOP_OUTCOME_MODEL
    assert [trial.number for trial in loop.trials] == list(range(1, 7))
    assert {trial.state for trial in loop.trials} == {loop_pb2.LOOP_TRIAL_STATE_COMPLETE}
    assert loop.steps[0].key == "collect"
    assert {step.job for step in loop.steps if step.key.endswith("evaluate")} <= set(world.jobs["evaluation"].found)
    assert any("round 1/trial 3: family vae, vae.width 8: macro-F1 0.840" in message for message in messages)
    for artifact in loop.artifacts:
        client.pipeline.download_loop_report(name, artifact, tmp_path / artifact.name)
    assert b"Samples help" in (tmp_path / "loop.html").read_bytes()
    assert (tmp_path / "collect.csv").read_text().splitlines()[1].startswith("fox,8,12,")
    (listed,) = [item for item in client.pipeline.list_loops() if item.name == name]
    assert (len(listed.rounds), len(listed.trials), listed.decision.model) == (2, 0, loop.decision.model)


def test_loop_that_is_not_there_is_not_found(client):
    with pytest.raises(NotFound):
        client.pipeline.get_loop("loops/00000000000000000a")
    with pytest.raises(InvalidField):
        client.pipeline.get_loop("loops/x")


def test_begun_loop_has_no_report_yet(client, world):
    world.hanging = {"CreateTrainingJob"}
    job = client.pipeline.create_loop_job(SMALL)
    name = f"loops/{job.name.removeprefix('jobs/pipeline-')}"
    with pytest.raises(NotFound, match="its files are: none yet"):
        list(client.pipeline.read_loop_report(name, artifact_pb2.Artifact(name="loop.html", size_bytes=1)))
    client.jobs.cancel(job.name)
    world.hanging = set()
