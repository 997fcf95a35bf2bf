"""Loops through the SDK: plans as people write them, and what became of them."""

from __future__ import annotations

import uuid

import pytest
from unit.client.fakes.pipeline import FILES, LOOP

from synthmill.client.plans import in_order, to_plan
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.v1 import loop_pb2, loop_plan_pb2


def test_loop_is_created_once_per_request_id(client, services):
    request_id = str(uuid.uuid4())
    jobs = [client.pipeline.create_loop_job({"dataset": "pets"}, request_id=request_id) for _ in range(3)]
    assert len({job.name for job in jobs}) == 1
    assert client.jobs.wait(jobs[0].name).result == LOOP
    assert services.pipeline.requests[0].plan == loop_plan_pb2.LoopPlan(dataset="datasets/pets")


def test_plan_may_be_a_file_a_mapping_or_a_message(client, services, tmp_path):
    (tmp_path / "loop.yaml").write_text("source: /data/pets\nkind: image\nbudget: {minutes: 5}\n")
    message = loop_plan_pb2.LoopPlan(source="/data/pets", kind="image", budget=loop_plan_pb2.LoopBudget(minutes=5))
    for source in (
        tmp_path / "loop.yaml",
        {"source": "/data/pets", "kind": "image", "budget": {"minutes": 5}},
        message,
    ):
        client.pipeline.create_loop_job(source, validate_only=True)
    assert [request.plan for request in services.pipeline.requests] == [message] * 3


def test_plan_is_written_as_shortly_as_it_can_be():
    parameters = {"width": [24, 32], "steps": 300, "learning_rate": {"low": 0.001, "high": 0.01, "log": True}}
    plan = to_plan(
        {
            "dataset": "datasets/pets/versions/2",
            "augment": {"policies": "light"},
            "train": {"families": {"vae": {"parameters": parameters}, "gan": None}},
            "evaluate": {"thresholds": {"lift": -1}},
            "decide": {"promote": False},
            "mint": None,
        }
    )
    vae = plan.train.families["vae"].parameters
    assert [choice.number_value for choice in vae["width"].choices] == [24, 32]
    assert [choice.number_value for choice in vae["steps"].choices] == [300]
    assert (vae["learning_rate"].low, vae["learning_rate"].high, vae["learning_rate"].log) == (0.001, 0.01, True)
    assert set(plan.train.families) == {"vae", "gan"}
    assert list(plan.augment.policies) == ["light"]
    assert plan.evaluate.thresholds["lift"] == -1
    assert plan.decide.HasField("promote")
    assert not plan.HasField("mint")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"datasets": "pets"}, "datasets"),
        ({"dataset": 3}, "dataset"),
        ({"budget": 1}, "budget"),
        ({"budget": {"trials": "many"}}, "budget.trials"),
        ({"budget": {"trials": True}}, "budget.trials"),
        ({"seed": -1}, "seed"),
        ({"decide": {"promote": 1}}, "decide.promote"),
        ({"augment": {"policies": ["light", 1]}}, "augment.policies[1]"),
        ({"train": {"families": ["vae"]}}, "train.families"),
        ({"train": {"families": {"vae": {"width": 3}}}}, "train.families.vae.width"),
        (
            {"train": {"families": {"vae": {"parameters": {"width": {"least": 3}}}}}},
            "train.families.vae.parameters.width.least",
        ),
        ({"evaluate": {"thresholds": {"lift": "high"}}}, "evaluate.thresholds.lift"),
        ({"collect": {"parameters": 3}}, "collect.parameters"),
        (["pets"], "plan"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_told_by_its_path(given, path):
    with pytest.raises(InvalidField) as caught:
        to_plan(given)
    assert caught.value.metadata["field"] == path


def test_resolved_plan_is_told_in_the_order_of_its_fields():
    parameters = {"steps": {"high": 2, "low": 1}, "epochs": {"choices": [1]}}
    families = {"vae": {"parameters": parameters}, "gan": {}}
    plan = {"train": {"families": families}, "collect": {"parameters": {"b": 1, "a": 2}}, "dataset": "datasets/pets"}
    ordered = in_order(plan)
    assert ordered == plan
    assert list(ordered) == ["dataset", "collect", "train"]
    assert list(ordered["collect"]["parameters"]) == ["a", "b"]
    assert list(ordered["train"]["families"]) == ["gan", "vae"]
    assert list(ordered["train"]["families"]["vae"]["parameters"]["steps"]) == ["low", "high"]


def test_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "bad.yaml").write_text("dataset: [")
    for path in (tmp_path / "bad.yaml", tmp_path / "missing.yaml"):
        with pytest.raises(InvalidField, match="a readable YAML file"):
            to_plan(path)


def test_loops_are_read_and_listed(client):
    loop = client.pipeline.get_loop(LOOP.removeprefix("loops/"))
    assert (loop.name, loop.decision.outcome) == (LOOP, loop_pb2.LOOP_OUTCOME_MODEL)
    assert [item.name for item in client.pipeline.list_loops()] == [LOOP, LOOP]
    with pytest.raises(NotFound):
        client.pipeline.get_loop("loops/other")


def test_files_of_a_loop_are_downloaded(client, tmp_path):
    loop = client.pipeline.get_loop(LOOP)
    for artifact in loop.artifacts:
        client.pipeline.download_loop_report(loop.name, artifact, tmp_path / artifact.name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == FILES
