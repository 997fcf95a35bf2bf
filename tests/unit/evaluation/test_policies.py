"""The classic augmentation that samples are compared with."""

from __future__ import annotations

import pytest

from synthmill.evaluation.policies import Classic, choose_classic
from synthmill.kinds.policy_messages import to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import FailedPrecondition, InvalidField, NotFound
from synthmill.v1 import evaluation_service_pb2 as pb
from synthmill.v1 import policy_pb2

FLIP = {"steps": [{"op": "horizontal_flip"}]}


async def choose(kind=None, saved_for: str = "image", **fields) -> Classic:
    async def get_policy(name: str) -> policy_pb2.PolicyVersion:
        return policy_pb2.PolicyVersion(name=f"{name}/versions/3", kind=saved_for, policy=to_policy(FLIP))

    return await choose_classic(kind or get_kind("image"), pb.CreateEvaluationJobRequest(**fields), get_policy)


async def test_a_light_one_is_what_nobody_has_to_ask_for():
    found = await choose()
    assert found.name == "light"
    assert found.policy["steps"]
    assert found == await choose(ready_made="light")
    assert found.digest != (await choose(ready_made="strong")).digest


async def test_it_may_come_with_the_request():
    found = await choose(policy=to_policy(FLIP))
    assert found.policy["steps"] == [{"op": "horizontal_flip", "probability": 1.0}]
    assert found.digest.startswith(found.name)


async def test_it_may_be_one_of_the_catalog():
    found = await choose(policy_name="policies/pets")
    assert found.name == "policies/pets/versions/3"
    assert found.digest == (await choose(policy=to_policy(FLIP))).digest


class Plain:
    """A kind whose records cannot be augmented."""

    name = "plain"
    augmentation_module = ""

    def augmentation(self):
        raise FailedPrecondition("records of the kind 'plain' cannot be augmented")


async def test_a_kind_may_have_none():
    assert await choose(Plain()) == Classic()
    with pytest.raises(FailedPrecondition, match="cannot be augmented"):
        await choose(Plain(), ready_made="light")


@pytest.mark.parametrize(
    ("fields", "error", "problem"),
    [
        ({"ready_made": "light", "policy_name": "policies/pets"}, InvalidField, "policy_name"),
        ({"ready_made": "light", "policy": to_policy(FLIP)}, InvalidField, "policy"),
        ({"ready_made": "heavy-handed"}, NotFound, "heavy-handed"),
        ({"policy_name": "pets"}, InvalidField, "policies/"),
        ({"policy_name": "policies/pets", "saved_for": "sound"}, InvalidField, "for sound records"),
        ({"policy": to_policy({"steps": [{"op": "paint"}]})}, InvalidField, "paint"),
    ],
    ids=["two-names", "name-and-policy", "unknown", "no-name", "other-kind", "unknown-operation"],
)
async def test_one_that_cannot_be_used_is_refused(fields, error, problem):
    with pytest.raises(error, match=problem):
        await choose(**fields)
