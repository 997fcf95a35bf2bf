"""`synthmill filter`, and `synthmill sample` under a filter."""

from __future__ import annotations

import uuid

import pytest
from unit.client.fakes.model import MODEL

pytestmark = pytest.mark.usefixtures("services")


def test_a_version_is_filtered_as_a_job(run, services):
    result = run("filter", "pets", "--dataset", "pets", "--set", "attempts=4", "--seed", 7, "--follow", "--json")
    assert result.code == 0
    assert result.json["result"] == f"{MODEL}/versions/1"
    assert "halfway" in result.err
    [request] = services.training.filterings
    assert (request.model, request.dataset, request.seed) == (MODEL, "datasets/pets", 7)
    assert request.parameters["attempts"] == "4"


def test_without_follow_it_prints_the_job_and_a_second_run_gets_the_same(run):
    arguments = ("filter", "pets", "--request-id", uuid.uuid4(), "--json")
    first, second = run(*arguments).json, run(*arguments).json
    assert first["type"] == "filter"
    assert first["name"] == second["name"]


def test_dry_run_makes_no_job(run):
    job = run("filter", "pets", "--set", "probe_seeds=5", "--dry-run", "--follow", "--json").json
    assert job["name"] == ""
    assert job["parameters"] == {"probe_seeds": "5"}


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        ((), None),
        (("--filter",), {"min_confidence": None, "min_score": None, "attempts": 8}),
        (("--min-confidence", 0.9), {"min_confidence": 0.9, "min_score": None, "attempts": 8}),
        (("--filter", "--min-score", -1.5), {"min_confidence": None, "min_score": -1.5, "attempts": 8}),
        (("--attempts", 16), {"min_confidence": None, "min_score": None, "attempts": 16}),
    ],
)
def test_samples_are_filtered_as_the_options_say(run, tmp_path, options, recipe):
    arguments = ("sample", "pets", "--count", 100, *options)
    assert run(*arguments, "--out", tmp_path / "a.npz", "--json").json["recipe"]["filter"] == recipe
    out = run(*arguments, "--out", tmp_path / "b.npz").out
    assert ("passed at once" in out) == (recipe is not None)


def test_what_came_of_a_filter_is_told(run, tmp_path):
    out = run("sample", "pets", "--count", 50, "--filter", "--out", tmp_path / "pets").out
    assert "filter: 5 passed at once, 35 later, 10 not at all" in out


def test_a_bound_that_is_no_number_is_named(run, tmp_path):
    result = run("sample", "pets", "--count", 1, "--min-confidence", "high", "--out", tmp_path / "a.npz")
    assert result.code == 2
    assert "--min-confidence" in result.err
