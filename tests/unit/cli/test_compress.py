"""`synthmill models compress`."""

from __future__ import annotations

import json
import uuid

import pytest
from unit.client.fakes.model import MODEL

pytestmark = pytest.mark.usefixtures("services")


def test_a_model_is_compressed_and_the_result_shown(run, services):
    result = run("models", "compress", "pets", "--method", "prune", "--method", "int8", "--set", "prune_share=0.5",
                 "--max-loss", "0.25", "--dataset", "pets", "--seed", 7, "--json")  # fmt: skip
    assert result.code == 0
    assert result.json["name"] == f"{MODEL}/versions/1"
    assert "halfway" in result.err
    [request] = services.training.compressions
    assert (request.model, list(request.methods), request.dataset) == (MODEL, ["prune", "int8"], "datasets/pets")
    assert (request.max_loss, request.seed, request.parameters["prune_share"]) == (0.25, 7, "0.5")


def test_the_bound_is_the_service_s_own_unless_given(run, services):
    assert run("models", "compress", "pets").code == 0
    assert not services.training.compressions[0].HasField("max_loss")


def test_detached_it_prints_the_job_and_a_second_run_gets_the_same(run):
    arguments = ("models", "compress", "pets", "--detach", "--request-id", uuid.uuid4(), "--json")
    first, second = run(*arguments).json, run(*arguments).json
    assert first["type"] == "compress"
    assert first["name"] == second["name"]


def test_dry_run_makes_no_job(run):
    job = run("models", "compress", "pets", "--set", "probe_seeds=5", "--dry-run", "--json").json
    assert job["name"] == ""
    assert job["parameters"] == {"probe_seeds": "5"}


def test_a_refusal_ends_with_the_code_of_its_error_and_the_figures(run):
    result = run("models", "compress", "pets", "--method", "fp16", "--json")
    assert result.code == run("models", "compress", "pets", "--method", "fp16").code != 0
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert error["reason"] == "FAILED_PRECONDITION"
    assert error["metadata"]["loss"] == "3.0000"


def test_a_bound_that_is_no_number_is_named(run):
    assert "--max-loss" in run("models", "compress", "pets", "--max-loss", "half").err
