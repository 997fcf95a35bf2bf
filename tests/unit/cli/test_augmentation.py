"""The verbs about augmentation."""

from __future__ import annotations

import uuid

import pytest
import yaml
from unit.client.fakes.augmentation import DIGEST, PICTURE, POLICY
from unit.client.fakes.faults import BREAK

from synthmill.kinds.policy_messages import to_mapping


@pytest.fixture(autouse=True)
def _services(services):
    """Every verb here finds the fake services in the environment."""


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("border: reflect\nsteps:\n  - {op: flip, probability: 0.5}\n")
    return path


def test_augment_prints_the_job_and_follows_it_when_asked(run, services, policy):
    request_id = str(uuid.uuid4())
    arguments = ("augment", "pets", "--policy", policy, "--copies", 3, "--seed", 2**63, "--request-id", request_id)
    first = run(*arguments, "--json").json
    services.augmentation_jobs.faults.plan = [(2, BREAK)]
    second = run(*arguments, "--follow", "--json").json
    assert first["name"] == second["name"]
    assert second["result"] == "datasets/pets-augmented/versions/1"
    request = services.augmentation.requests[0]
    assert (request.dataset, request.copies, request.seed) == ("datasets/pets", 3, 2**63)
    assert to_mapping(request.policy) == POLICY


def test_augment_says_what_it_is_told(run, services):
    options = ("--without-originals", "--name", "more", "--dry-run")
    assert run("augment", "pets", "--policy", "light", "--balance", *options).code == 0
    assert run("augment", "pets", "--policy", "light", "--per-class", 50).code == 0
    first, second = services.augmentation.requests
    assert (first.ready_made, first.balance, first.without_originals, first.name) == ("light", True, True, "more")
    assert first.validate_only
    assert (second.records_per_class, second.balance, second.name) == (50, False, "")


@pytest.mark.parametrize("option", ["--copies", "--per-class"])
def test_augment_refuses_what_is_no_number(run, option):
    refused = run("augment", "pets", "--policy", "light", option, 0)
    assert refused.code == 2
    assert option in refused.err


def test_policies_are_listed_and_shown(run):
    [listed] = run("policies", "list", "--json").json
    assert listed == {"name": "light", "kind": "image", "digest": DIGEST, "policy": POLICY}
    assert "light" in run("policies", "list").out
    assert yaml.safe_load(run("policies", "show", "light").out) == POLICY
    assert run("policies", "show", "light", "--json").json == {"digest": DIGEST, "policy": POLICY}


def test_policy_is_checked(run, policy):
    assert run("policies", "check", policy).out == f"{policy}: {DIGEST}\n"
    policy.write_text("steps: [{op: flip}, {op: flop}]")
    refused = run("policies", "check", policy)
    assert refused.code == 2
    assert "policy.steps[1].op: got 'flop', allowed: one of flip" in refused.err
    policy.write_text("steps: [{flip: 1}]")
    assert "policy.steps[0]: got" in run("policies", "check", policy).err
    assert run("policies", "check", "heavy").code == 4


def test_operations_are_listed_and_described(run):
    assert "Mirrors." in run("policies", "operations").out
    described = run("policies", "operations", "flip").out
    assert "degrees" in described
    assert "range" in described
    [told] = run("policies", "operations", "flip", "--json").json
    assert told["parameters"][0]["default_value"] == 15
    assert run("policies", "operations", "flop").code == 4


def test_preview_is_written(run, services, policy, tmp_path):
    image, out = tmp_path / "pet.png", tmp_path / "grid.png"
    image.write_bytes(b"png")
    command = ("policies", "preview", policy, image, "--out", out, "--count", 4)
    assert run(*command, "--seed", 3, "--start", 10).out == f"{out}\n"
    assert out.read_bytes() == PICTURE
    [request] = services.augmentation.requests
    [encoded] = request.record.arrays
    assert (encoded.name, encoded.data, request.record.index) == ("encoded", b"png", 10)
    assert (request.count, request.spec.seed) == (4, 3)
    assert run(*command).code == 5
    assert run(*command, "--overwrite", "--json").json == {"out": str(out), "count": 4}
