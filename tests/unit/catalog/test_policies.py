"""Policies as immutable versions."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from synthmill.kinds.policies.parsing import policy_digest
from synthmill.kinds.policy_messages import to_mapping, to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import policy_pb2

ROTATE = {"border": "reflect", "steps": [{"op": "rotate", "degrees": [-15, 15]}, {"repeat": [{"op": "erase"}]}]}
INVERT = {"steps": [{"op": "invert"}]}


def version_of(policy: Any) -> policy_pb2.PolicyVersion:
    """Makes a version as the augmentation service does."""
    resolved = get_kind("image").augmentation().policy(policy)
    return policy_pb2.PolicyVersion(kind="image", policy=to_policy(resolved.resolved), digest=resolved.digest)


def publish(calls, name, policy) -> policy_pb2.PolicyVersion:
    return calls.catalog.PublishPolicy(pb.PublishPolicyRequest(policy=name, version=version_of(policy)))


def get(calls, name) -> policy_pb2.PolicyVersion:
    return calls.catalog.GetPolicy(pb.GetPolicyRequest(name=name))


def names_of(calls, name, page_size=1000) -> list[str]:
    names, token = [], ""
    while True:
        request = pb.ListPoliciesRequest(policy=f"policies/{name}", page_size=page_size, page_token=token)
        page = calls.catalog.ListPolicies(request)
        assert len(page.policies) <= page_size
        names += [version.name for version in page.policies]
        token = page.next_page_token
        if not token:
            return names


def test_published_version_is_what_was_sent(calls, name):
    published = publish(calls, name, ROTATE)
    sent = version_of(ROTATE)
    assert published.name == f"policies/{name}/versions/1"
    assert (published.kind, published.policy, published.digest) == (sent.kind, sent.policy, sent.digest)
    assert published.create_time.seconds > 0
    assert get(calls, published.name) == published
    assert get(calls, f"policies/{name}") == published


def test_every_policy_that_is_ready_made_can_be_published(calls, name):
    for policy in get_kind("image").augmentation().ready_made.values():
        assert publish(calls, name, policy).policy == version_of(policy).policy


def test_new_version_leaves_the_others_as_they_were(calls, name):
    first = publish(calls, name, ROTATE)
    second = publish(calls, name, INVERT)
    assert second.name == f"policies/{name}/versions/2"
    assert get(calls, f"policies/{name}") == second
    assert get(calls, first.name) == first


def test_newest_version_is_not_published_twice(calls, name):
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: publish(calls, name, ROTATE).name, range(16)))
    assert names == {f"policies/{name}/versions/1"}
    # Written otherwise, and the same.
    assert publish(calls, name, {**ROTATE, "fill": 0.0}).name == f"policies/{name}/versions/1"
    publish(calls, name, INVERT)
    # What is the newest must be what was published last.
    assert publish(calls, name, ROTATE).name == f"policies/{name}/versions/3"
    assert publish(calls, f"{name}-other", ROTATE).name == f"policies/{name}-other/versions/1"


def test_versions_are_listed_newest_first_page_by_page(calls, name):
    for position in range(5):
        publish(calls, name, [ROTATE, INVERT][position % 2])
    publish(calls, f"{name}-other", INVERT)
    assert names_of(calls, name, page_size=2) == [f"policies/{name}/versions/{n}" for n in (5, 4, 3, 2, 1)]
    newest = calls.catalog.ListPolicies(pb.ListPoliciesRequest(page_size=2)).policies
    assert [version.name for version in newest] == [f"policies/{name}-other/versions/1", f"policies/{name}/versions/5"]
    assert newest[0].policy == version_of(INVERT).policy
    assert names_of(calls, "nobody-has-this") == []


@pytest.mark.parametrize(
    "request_",
    [{"page_size": -1}, {"page_token": "nonsense"}, {"policy": "light"}, {"policy": "policies/a/versions/1"}],
    ids=str,
)
def test_bad_list_request_is_refused(calls, request_):
    with pytest.raises(InvalidField) as refusal:
        calls.catalog.ListPolicies(pb.ListPoliciesRequest(**request_))
    assert refusal.value.metadata["field"] == next(iter(request_))


def test_deleted_version_is_gone_and_its_number_is_never_given_again(calls, name):
    publish(calls, name, ROTATE)
    second = publish(calls, name, INVERT)
    with pytest.raises(InvalidField, match="name"):
        calls.catalog.DeletePolicy(pb.DeletePolicyRequest(name=f"policies/{name}"))
    calls.catalog.DeletePolicy(pb.DeletePolicyRequest(name=second.name))
    for ask in (get, lambda calls, name: calls.catalog.DeletePolicy(pb.DeletePolicyRequest(name=name))):
        with pytest.raises(NotFound, match=second.name):
            ask(calls, second.name)
    assert get(calls, f"policies/{name}").name == f"policies/{name}/versions/1"
    assert publish(calls, name, INVERT).name == f"policies/{name}/versions/3"


def test_unknown_policy_is_not_found_and_a_malformed_name_refused(calls):
    for missing in ("policies/nobody-has-this", "policies/nobody-has-this/versions/1"):
        with pytest.raises(NotFound, match="nobody-has-this"):
            get(calls, missing)
    for malformed in ("light", "datasets/pets", "policies/pets/versions/0", "policies/Pets"):
        with pytest.raises(InvalidField, match="name"):
            get(calls, malformed)


def changed(**changes) -> policy_pb2.PolicyVersion:
    version = version_of(ROTATE)
    for name, value in changes.items():
        version.ClearField(name)
        version.MergeFrom(policy_pb2.PolicyVersion(**{name: value}))
    return version


def with_policy(mapping) -> policy_pb2.PolicyVersion:
    policy = to_policy(mapping)
    return policy_pb2.PolicyVersion(kind="image", policy=policy, digest=policy_digest(to_mapping(policy)))


def with_step_without_content() -> policy_pb2.PolicyVersion:
    version = version_of(ROTATE)
    version.policy.steps[1].repeat.steps.add(probability=1)
    return version


def infinite() -> policy_pb2.PolicyVersion:
    version = version_of(ROTATE)
    version.policy.steps[0].probability = float("inf")
    return version


@pytest.mark.parametrize(
    ("version", "field"),
    [
        (changed(kind=""), "version.kind"),
        (changed(kind="hologram"), "version.kind"),
        (changed(policy=None), "version.policy"),
        (changed(digest="0" * 64), "version.digest"),
        (changed(policy=to_policy(INVERT)), "version.digest"),
        (infinite(), "version.policy"),
        (with_step_without_content(), "policy.steps[1].repeat[1]"),
        (with_policy({"steps": [{"op": "x" * (1 << 20)}]}), "version.policy"),
    ],
    ids=["no-kind", "kind", "no-policy", "digest", "another-policy", "infinite", "empty-step", "large"],
)
def test_version_that_is_not_what_it_says_is_refused(calls, name, version, field):
    with pytest.raises(InvalidField) as refusal:
        calls.catalog.PublishPolicy(pb.PublishPolicyRequest(policy=name, version=version))
    assert refusal.value.metadata["field"] == field
    assert names_of(calls, name) == []


@pytest.mark.parametrize("policy", ["", "Pets", "policies/pets", "p" * 64])
def test_name_that_is_not_allowed_is_refused(calls, policy):
    with pytest.raises(InvalidField) as refusal:
        calls.catalog.PublishPolicy(pb.PublishPolicyRequest(policy=policy, version=version_of(ROTATE)))
    assert refusal.value.metadata["field"] == "policy"


def test_catalog_needs_nothing_that_augments():
    code = """
import sys
sys.modules["cv2"] = None
import synthmill.catalog.__main__
from synthmill.catalog.verifying_policies import verify_policy
from synthmill.v1.policy_pb2 import PolicyVersion
print(verify_policy(PolicyVersion.FromString(sys.stdin.buffer.read())).digest)
"""
    version = version_of(ROTATE)
    sent = version.SerializeToString()
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().split() == [version.digest]
