"""The verbs about augmentation."""

from __future__ import annotations

import json
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
    assert listed == {"name": "light", "kind": "image", "digest": DIGEST, "create_time": None, "policy": POLICY}
    assert "light" in run("policies", "list").out
    assert yaml.safe_load(run("policies", "show", "light").out) == POLICY
    shown = run("policies", "show", "light", "--json").json
    assert shown == {"policy_name": "", "digest": DIGEST, "policy": POLICY}


def test_policies_are_saved_listed_shown_and_deleted(run, policy):
    first = run("policies", "save", "pets", policy, "--json").json
    assert first == {
        "name": "policies/pets/versions/1",
        "kind": "image",
        "digest": DIGEST,
        "create_time": "1970-01-01T00:00:00Z",
        "policy": POLICY,
    }
    assert run("policies", "save", "pets", "light").out == f"policies/pets/versions/2: {DIGEST}\n"
    assert run("policies", "save", "birds", "policies/pets/versions/1").code == 0
    names = [item["name"] for item in run("policies", "list", "--json").json]
    assert names == ["light", "policies/birds/versions/1", "policies/pets/versions/2", first["name"]]
    assert run("policies", "list", "pets", "--json").json[-1] == first
    assert run("policies", "list", "--kind", "sound", "--json").json == []
    assert "policies/pets/versions/2" in run("policies", "list", "pets").out
    shown = run("policies", "show", "policies/pets")
    assert shown.out.startswith("# policies/pets/versions/2\n")
    assert yaml.safe_load(shown.out) == POLICY
    assert run("policies", "show", "policies/pets", "--json").json["policy_name"] == "policies/pets/versions/2"
    assert run("policies", "delete", "pets/versions/2", "--json").json == {"deleted": "pets/versions/2"}
    assert run("policies", "show", "policies/pets", "--json").json["policy_name"] == first["name"]
    assert run("policies", "delete", "pets/versions/1").out == "deleted pets/versions/1\n"
    assert run("policies", "show", "policies/pets").code == 4


def test_policy_that_is_not_allowed_is_not_saved(run, services, policy):
    policy.write_text("steps: [{op: flip}, {op: flop}]")
    refused = run("policies", "save", "pets", policy, "--json")
    assert refused.code == 2
    assert json.loads(refused.err)["error"]["metadata"]["field"] == "policy.steps[1].op"
    assert run("policies", "save", "pets", "heavy").code == 4
    assert services.catalog.policies == {}


def test_saved_policies_augment(run, services, policy, tmp_path):
    run("policies", "save", "pets", policy)
    assert run("augment", "pets", "--policy", "policies/pets/versions/1", "--dry-run").code == 0
    (tmp_path / "pet.png").write_bytes(b"png")
    assert run("policies", "preview", "policies/pets", tmp_path / "pet.png", "--out", tmp_path / "grid.png").code == 0
    job, picture = services.augmentation.requests
    assert (job.policy_name, picture.spec.policy_name) == ("policies/pets/versions/1", "policies/pets")
    assert run("policies", "check", "policies/pets").out == f"policies/pets: {DIGEST}\n"
    assert run("augment", "pets", "--policy", "policies/birds").code == 4


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
