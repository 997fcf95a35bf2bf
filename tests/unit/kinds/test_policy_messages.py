"""Policies as messages say the same as policies as mappings."""

from __future__ import annotations

import pytest

from synthmill.kinds.policies.parsing import policy_digest
from synthmill.kinds.policy_messages import to_mapping, to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField
from synthmill.v1 import policy_pb2 as pb

EVERYTHING = {
    "border": "reflect",
    "fill": 0.5,
    "steps": [
        {"op": "horizontal_flip", "probability": 0.5},
        {"op": "rotate", "degrees": [-15, 15]},
        {"one_of": [{"op": "gaussian_blur"}, {"op": "grey"}, {"op": "invert"}], "weights": [1, 3, 7]},
        {"one_of": [{"op": "grey"}, {"op": "invert"}]},
        {"some_of": [{"op": "invert"}, {"op": "grey"}], "count": [1, 2], "probability": 0.3},
        {"some_of": [{"op": "invert"}, {"op": "grey"}], "count": 0},
        {"some_of": [{"op": "invert"}, {"op": "grey"}]},
        {"repeat": [{"op": "rotate", "degrees": 3}, {"repeat": [{"op": "grey"}]}], "times": 3},
        {"sequence": [{"op": "invert"}, {"sequence": []}], "probability": 0},
    ],
}


def side():
    return get_kind("image").augmentation()


@pytest.mark.parametrize("policy", [EVERYTHING, *side().ready_made.values()])
def test_policy_does_the_same_whichever_way_it_travels(policy):
    wanted = side().policy(policy)
    assert side().policy(to_mapping(to_policy(policy))).resolved == wanted.resolved
    again = to_policy(wanted.resolved)
    assert side().policy(to_mapping(again)).digest == wanted.digest
    assert to_policy(to_mapping(again)) == again


@pytest.mark.parametrize("policy", [EVERYTHING, *side().ready_made.values()])
def test_digest_is_that_of_the_message_too(policy):
    wanted = side().policy(policy)
    assert policy_digest(to_mapping(to_policy(wanted.resolved))) == policy_digest(wanted.resolved) == wanted.digest
    assert side().policy({**policy, "mask_fill": 3}).digest != wanted.digest


def test_number_that_is_not_finite_has_no_digest():
    with pytest.raises(ValueError, match="JSON"):
        policy_digest({"steps": [{"op": "rotate", "degrees": [float("inf"), 3]}]})


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ([], "policy"),
        ({"steps": {}}, "policy.steps"),
        ({"steps": ["grey"]}, "policy.steps[0]"),
        ({"steps": [{"op": "grey", "one_of": []}]}, "policy.steps[0]"),
        ({"steps": [{"op": 3}]}, "policy.steps[0].op"),
        ({"steps": [{"op": "grey", "probability": "often"}]}, "policy.steps[0].probability"),
        ({"steps": [{"op": "grey", "probability": True}]}, "policy.steps[0].probability"),
        ({"steps": [{"op": "rotate", "degrees": {1, 2}}]}, "policy.steps[0].degrees"),
        ({"steps": [{"one_of": [{"op": "grey"}], "times": 2}]}, "policy.steps[0].times"),
        ({"steps": [{"one_of": [{"op": "grey"}], "weights": ["a"]}]}, "policy.steps[0].weights[0]"),
        ({"steps": [{"some_of": [{"op": "grey"}], "count": [1]}]}, "policy.steps[0].count"),
        ({"steps": [{"some_of": [{"op": "grey"}], "count": 0.5}]}, "policy.steps[0].count"),
        ({"steps": [{"repeat": [{}], "times": 2}]}, "policy.steps[0].repeat[0]"),
        ({"steps": [{"repeat": [], "times": 1e12}]}, "policy.steps[0].times"),
        ({"border": {1}, "steps": []}, "policy.border"),
        ({7: 1, "steps": []}, "policy.7"),
    ],
)
def test_what_is_no_policy_is_named_by_its_path(policy, field):
    with pytest.raises(InvalidField) as refusal:
        to_policy(policy)
    assert refusal.value.metadata["field"] == field


def test_message_that_says_nothing_or_too_much_is_named_by_its_path():
    for step, field in (
        (pb.PolicyStep(), "policy.steps[0]"),
        (pb.PolicyStep(sequence=pb.PolicySequence(steps=[pb.PolicyStep()])), "policy.steps[0].sequence[0]"),
    ):
        with pytest.raises(InvalidField) as refusal:
            to_mapping(pb.Policy(steps=[step]))
        assert refusal.value.metadata["field"] == field
    step = pb.PolicyStep(operation=pb.PolicyOperation(name="grey"))
    step.operation.parameters["probability"] = 0.5
    with pytest.raises(InvalidField, match=r"policy\.steps\[0\]\.probability"):
        to_mapping(pb.Policy(steps=[step]))
    policy = pb.Policy()
    policy.settings["steps"] = 1
    with pytest.raises(InvalidField, match=r"policy\.settings"):
        to_mapping(policy)
