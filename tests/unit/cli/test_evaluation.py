"""`synthmill evaluate` and `synthmill evaluations`."""

from __future__ import annotations

import json
import uuid

import pytest
from unit.client.fakes.evaluation import PASSED, REFUSED, REPORT_FILES
from unit.client.fakes.model import MODEL

from synthmill.cli.exit_codes import EXIT_CODES
from synthmill.runtime.errors import GateRefused

pytestmark = pytest.mark.usefixtures("services")


def test_the_job_is_printed_and_a_second_run_gets_the_same(run, services):
    arguments = ("evaluate", "pets", "--against", "pets", "--request-id", uuid.uuid4(), "--json")
    first, second = run(*arguments).json, run(*arguments).json
    assert first["type"] == "evaluate"
    assert first["name"] == second["name"]
    request = services.evaluation.requests[0]
    assert (request.subject, request.against, request.ready_made) == (MODEL, "datasets/pets", "")


def test_every_option_is_passed_on(run, services):
    options = ("--seeds", 5, "--probe-steps", 100, "--samples", 2000, "--threshold", "coverage=0.25",
               "--without", "lift", "--policy", "policies/pets", "--seed", 2**63, "--dry-run", "--json")  # fmt: skip
    job = run("evaluate", "datasets/pets/versions/2", "--against", "pets", *options).json
    assert job["name"] == ""
    [request] = services.evaluation.requests
    assert request.subject == "datasets/pets/versions/2"
    assert (request.seeds, request.probe_steps, request.samples, request.seed) == (5, 100, 2000, 2**63)
    assert (dict(request.thresholds), list(request.without_thresholds)) == ({"coverage": 0.25}, ["lift"])
    assert request.policy_name == "policies/pets"


def test_what_was_found_is_shown_when_it_is_followed(run):
    result = run("evaluate", "pets", "--follow")
    assert result.code == 0
    assert "halfway" in result.err
    assert result.out.splitlines()[0].split() == ["name", PASSED]
    assert "coverage  0.75      at least 0.5  passed" in result.out
    assert "Samples cover three quarters of the real records." in result.out
    assert run("evaluate", "pets", "--follow", "--json").json["passed"] is True


def test_a_report_is_followed_and_written(run, tmp_path):
    folder = tmp_path / "a/report"
    for _ in range(2):
        assert run("evaluate", "pets", "--report", folder, "--json").json["name"] == PASSED
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            name: REPORT_FILES[name] for name in ("report.html", "findings.json")
        }


def test_a_gate_that_refuses_has_an_exit_code_of_its_own(run, tmp_path):
    result = run("evaluate", "pets", "--threshold", "coverage=0.9", "--report", tmp_path, "--json")
    assert result.code == EXIT_CODES[GateRefused] == 18
    assert result.json["name"] == REFUSED
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert error["reason"] == "GATE_REFUSED"
    assert (error["metadata"]["figure"], error["metadata"]["value"]) == ("coverage", "0.75")
    assert (tmp_path / "report.html").exists()
    told = run("evaluate", "pets", "--threshold", "coverage=0.9", "--follow")
    assert told.code == 18
    assert "coverage  0.75      at least 0.9  refused" in told.out
    assert "does not pass the gate of evaluations/1: Coverage is 0.75, at least 0.9: missed by 0.15" in told.err


@pytest.mark.parametrize("text", ["coverage", "coverage=much", "=0.5=", "coverage=1 --threshold coverage=2"])
def test_a_threshold_that_is_none_is_named(run, text):
    arguments = [part for given in text.split(" --threshold ") for part in ("--threshold", given)]
    result = run("evaluate", "pets", *arguments)
    assert result.code == 2
    assert "--threshold" in result.err


def test_evaluations_are_listed_and_shown(run, tmp_path):
    assert [item["name"] for item in run("evaluations", "list", "--json").json] == [PASSED, REFUSED]
    assert [item["name"] for item in run("evaluations", "list", "--limit", 1, "--json").json] == [PASSED]
    lines = run("evaluations", "list", "pets/versions/1").out.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["passed", "refused"]
    assert run("evaluations", "list", "datasets/pets", "--json").json == []
    shown = run("evaluations", "show", "1", "--report", tmp_path)
    assert shown.code == 0
    assert "coverage  0.75      at least 0.9  refused" in shown.out
    assert (tmp_path / "findings.json").read_bytes() == REPORT_FILES["findings.json"]
    assert run("evaluations", "show", "3").code == 4


def test_thresholds_are_listed(run):
    [threshold] = run("evaluations", "thresholds", "--json").json
    assert (threshold["figure"], threshold["default_value"], threshold["better"]) == ("coverage", 0.5, "HIGH")
    assert "at least 0.5" in run("evaluations", "thresholds").out
