"""The language of policies: what it means, what it refuses, and what its groups do how often."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthmill.kinds.image.augmentation.policy import image_policy
from synthmill.kinds.policies.parsing import operations_of
from synthmill.kinds.policies.tree import MAX_NODES, Draws, select, walk
from synthmill.runtime.errors import InvalidField

INVERT, GREY, TURN = {"op": "invert"}, {"op": "grey"}, {"op": "transpose"}


def counts(step: dict[str, object], records: int = 8000) -> dict[str, np.ndarray]:
    """Returns which operations happen to which records."""
    policy = image_policy({"steps": [step]})
    draws = Draws(3, np.arange(records), list(walk(policy.nodes)))
    happened: dict[str, np.ndarray] = {}
    for node, rows in select(policy.nodes, np.arange(records), draws):
        happened.setdefault(node.operation, np.zeros(records, int))[rows] += 1
    return happened


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([INVERT], "policy"),
        (None, "policy"),
        ({"steps": INVERT}, "policy.steps"),
        ({"step": []}, "policy.step"),
        ({"border": "mirror"}, "policy.border"),
        ({"fill": 2}, "policy.fill"),
        ({"steps": ["invert"]}, "policy.steps[0]"),
        ({"steps": [INVERT, {}]}, "policy.steps[1]"),
        ({"steps": [{"op": "invert", "one_of": []}]}, "policy.steps[0]"),
        ({"steps": [{"op": "inverted"}]}, "policy.steps[0].op"),
        ({"steps": [{"op": ["invert"]}]}, "policy.steps[0].op"),
        ({"steps": [{"op": "invert", "degrees": 3}]}, "policy.steps[0].degrees"),
        ({"steps": [{"op": "rotate", "degrees": "far"}]}, "policy.steps[0].degrees"),
        ({"steps": [{"op": "rotate", "degrees": [1, 2, 3]}]}, "policy.steps[0].degrees"),
        ({"steps": [{"op": "rotate", "degrees": float("nan")}]}, "policy.steps[0].degrees"),
        ({"steps": [{"op": "invert", "probability": 1.5}]}, "policy.steps[0].probability"),
        ({"steps": [{"op": "invert", "probability": True}]}, "policy.steps[0].probability"),
        ({"steps": [{"op": "invert", "probability": 10**400}]}, "policy.steps[0].probability"),
        ({"steps": [{"one_of": []}]}, "policy.steps[0].one_of"),
        ({"steps": [{"one_of": [INVERT], "count": 1}]}, "policy.steps[0].count"),
        ({"steps": [{"one_of": [INVERT, GREY], "weights": [1]}]}, "policy.steps[0].weights"),
        ({"steps": [{"one_of": [INVERT, GREY], "weights": [1, -1]}]}, "policy.steps[0].weights[1]"),
        ({"steps": [{"one_of": [INVERT, GREY], "weights": [0, 0]}]}, "policy.steps[0].weights"),
        ({"steps": [{"some_of": [INVERT, GREY], "count": 3}]}, "policy.steps[0].count"),
        ({"steps": [{"some_of": [INVERT, GREY], "count": [2, 1]}]}, "policy.steps[0].count"),
        ({"steps": [{"repeat": [INVERT], "times": 0}]}, "policy.steps[0].times"),
        ({"steps": [{"repeat": [INVERT], "times": 1.5}]}, "policy.steps[0].times"),
        ({"steps": [{"one_of": [INVERT, {"sequence": [{"op": "rotate", "degrees": 999}]}]}]},
         "policy.steps[0].one_of[1].sequence[0].degrees"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(given, field):
    with pytest.raises(InvalidField) as refusal:
        image_policy(given)
    assert refusal.value.metadata["field"] == field


def test_groups_may_not_be_too_deep():
    step: dict[str, object] = INVERT
    for _ in range(17):
        step = {"sequence": [step]}
    with pytest.raises(InvalidField, match="within each other"):
        image_policy({"steps": [step]})


def test_steps_may_not_be_too_many_however_they_are_written():
    assert len(image_policy({"steps": [INVERT] * MAX_NODES}).nodes) == MAX_NODES
    for steps in ([INVERT] * (MAX_NODES + 1), [{"repeat": [{"repeat": [INVERT], "times": 40}], "times": 40}]):
        with pytest.raises(InvalidField, match=str(MAX_NODES)):
            image_policy({"steps": steps})


def test_defaults_that_are_written_out_do_not_change_the_digest():
    short = image_policy({"steps": [{"op": "rotate"}, {"one_of": [INVERT, GREY]}, {"some_of": [INVERT, GREY]}]})
    long = image_policy(
        {
            "border": "constant",
            "min_visible": 0.1,
            "steps": [
                {"op": "rotate", "degrees": [-15, 15.0], "probability": 1},
                {"one_of": [INVERT, GREY], "weights": [3, 3]},
                {"some_of": [INVERT, GREY], "count": [1, 1]},
            ],
        }
    )
    assert short.digest == long.digest
    assert image_policy(json.loads(json.dumps(short.resolved))).digest == short.digest
    assert image_policy({"steps": [{"op": "rotate", "degrees": 15}]}).digest != short.digest


def test_the_order_of_steps_changes_the_digest():
    assert image_policy({"steps": [INVERT, GREY]}).digest != image_policy({"steps": [GREY, INVERT]}).digest


def test_numbers_may_be_text_as_on_a_command_line():
    (node,) = image_policy({"steps": [{"op": "rotate", "degrees": ["-5", "5"], "probability": "0.5"}]}).nodes
    assert node.parameters.degrees == (-5.0, 5.0)
    assert node.probability == 0.5


def test_one_number_is_a_range_of_itself():
    (node,) = image_policy({"steps": [{"op": "rotate", "degrees": 5}]}).nodes
    assert node.parameters.degrees == (5.0, 5.0)


def test_what_is_repeated_is_drawn_each_time_anew():
    policy = image_policy({"steps": [{"repeat": [{"op": "rotate"}], "times": 3}]})
    nodes = list(operations_of(policy.nodes))
    assert len({node.number for node in nodes}) == 3
    assert {node.path for node in nodes} == {"policy.steps[0].repeat[0]"}


def test_probability_is_a_share_of_the_records():
    assert counts({**INVERT, "probability": 0.3})["invert"].mean() == pytest.approx(0.3, abs=0.02)
    assert "invert" not in counts({**INVERT, "probability": 0})
    assert counts(INVERT)["invert"].all()


def test_one_of_takes_one_by_its_weight():
    happened = counts({"one_of": [INVERT, GREY, TURN], "weights": [1, 3, 0]})
    assert happened["invert"].mean() == pytest.approx(0.25, abs=0.02)
    assert np.array_equal(happened["invert"] + happened["grey"], np.ones(8000))
    assert "transpose" not in happened


def test_some_of_takes_every_count_and_every_step_as_often():
    happened = counts({"some_of": [INVERT, GREY, TURN], "count": [0, 3]})
    taken = sum(happened.values())
    assert np.allclose(np.bincount(taken) / 8000, 0.25, atol=0.02)
    assert np.allclose([times.mean() for times in happened.values()], 0.5, atol=0.02)


def test_a_group_happens_to_all_of_its_steps_or_to_none():
    happened = counts({"sequence": [INVERT, GREY], "probability": 0.4})
    assert np.array_equal(happened["invert"], happened["grey"])
    assert happened["invert"].mean() == pytest.approx(0.4, abs=0.02)
    assert counts({"repeat": [INVERT], "times": 3, "probability": 0.4})["invert"].max() == 3


def test_steps_are_drawn_independently():
    happened = counts({"sequence": [{**INVERT, "probability": 0.5}, {**GREY, "probability": 0.5}]})
    assert abs(np.corrcoef(happened["invert"], happened["grey"])[0, 1]) < 0.04
