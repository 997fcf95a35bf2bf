"""`synthmill loop`."""

from __future__ import annotations

import uuid

import pytest
import yaml
from unit.client.fakes.model import MODEL
from unit.client.fakes.pipeline import FILES, LOOP

pytestmark = pytest.mark.usefixtures("services")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "loop.yaml"
    path.write_text("dataset: pets\nbudget: {minutes: 10}\n")
    return path


def test_the_job_is_printed_and_a_second_run_gets_the_same(run, config):
    arguments = ("loop", "run", config, "--request-id", uuid.uuid4(), "--json")
    first, second = run(*arguments).json, run(*arguments).json
    assert first["type"] == "loop"
    assert first["name"] == second["name"]


def test_values_are_changed_by_their_path(run, config, services):
    changes = ("budget.minutes=5", "train.families.vae.parameters.width=[8, 16]", "decide.promote=false", "model=best")
    result = run("loop", "run", config, *(part for change in changes for part in ("--set", change)), "--json")
    assert result.code == 0
    plan = services.pipeline.requests[0].plan
    assert (plan.dataset, plan.model, plan.budget.minutes, plan.decide.promote) == ("datasets/pets", "best", 5, False)
    assert len(plan.train.families["vae"].parameters["width"].choices) == 2


@pytest.mark.parametrize("change", ["budget", "=3", "budget..trials=3", "budget.trials=["])
def test_change_that_is_none_is_refused(run, config, change):
    result = run("loop", "run", config, "--set", change)
    assert result.code == 2
    assert "--set" in result.err


def test_what_came_of_it_is_shown_when_it_is_followed(run, config):
    result = run("loop", "run", config, "--follow")
    assert result.code == 0
    assert "halfway" in result.err
    lines = result.out.splitlines()
    assert lines[0].split() == ["name", LOOP]
    rows = [line.split() for line in lines]
    tried = ["family=vae,", "vae.learning_rate=0.00213"]
    assert ["1", "1", "generators", *tried, "0.8612", "models/pets/versions/1"] in rows
    assert ["2", "1", "mixes", "failed"] in rows
    lift = ["+0.020", "(+0.010", "to", "+0.030)"]
    assert ["1", "0.880", "everything", "0.860", "augmented", *lift, "50%", "passed", "evaluations/2"] in rows
    assert lines[-1] == "Samples help."
    assert run("loop", "run", config, "--follow", "--json").json["decision"]["outcome"] == "MODEL"


def test_report_is_written(run, config, tmp_path):
    for arguments in (("run", config, "--report"), ("report", LOOP, "--out")):
        folder = tmp_path / arguments[0]
        assert run("loop", *arguments, folder).code == 0
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


def test_check_prints_a_plan_that_can_be_run(run, config, services, tmp_path):
    result = run("loop", "check", config, "--set", "seed=7")
    (tmp_path / "whole.yaml").write_text(result.out)
    assert run("loop", "check", tmp_path / "whole.yaml").out == result.out
    assert yaml.safe_load(result.out)["dataset"] == "datasets/pets"
    assert [request.validate_only for request in services.pipeline.requests] == [True, True]
    assert services.pipeline.requests[0].plan == services.pipeline.requests[1].plan


def test_source_is_a_path_from_here(run, tmp_path, monkeypatch, services):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.yaml").write_text("source: pets\nkind: image\n")
    run("loop", "run", "loop.yaml")
    (tmp_path / "loop.yaml").write_text("source: s3://bucket/pets\nkind: image\n")
    run("loop", "run", "loop.yaml")
    sources = [request.plan.source for request in services.pipeline.requests]
    assert sources == [str(tmp_path / "pets"), "s3://bucket/pets"]


def test_loops_are_listed_and_shown(run):
    row = run("loop", "list").out.splitlines()[1].split()
    assert row[:5] == [LOOP, "datasets/pets/versions/1", "SUCCEEDED", "1", f"{MODEL}/versions/1"]
    assert run("loop", "list", "--limit", 1, "--json").json[0]["name"] == LOOP
    assert "Round 2 was not begun." in run("loop", "show", LOOP).out
    assert run("loop", "show", "loops/other").code == 4


def test_what_is_wrong_with_a_plan_is_told_by_its_path(run, config):
    assert "budget.trials: got 'many'" in run("loop", "check", config, "--set", "budget.trials=many").err
    assert run("loop", "check", config, "--set", "dataset=dragons").code == 4
