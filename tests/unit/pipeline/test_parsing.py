"""A plan of two lines is one; what is wrong with a plan is told by its path."""

from __future__ import annotations

import pytest

from synthmill.pipeline.parsing import parse_plan
from synthmill.pipeline.plan import DEFAULT_VALIDATION_FRACTION, Plan
from synthmill.runtime.errors import InvalidField

FOREST = {"dataset": "datasets/forest"}
SOURCE = {"source": "/data/Pet Photos.tar.gz", "kind": "image"}


def test_dataset_alone_is_a_plan():
    plan = parse_plan(FOREST)
    assert plan == Plan(dataset="datasets/forest", model="forest-loop")
    assert (plan.dataset_id, plan.synthetic_id) == ("forest", "forest-synthetic")


def test_source_is_named_after_its_file_and_gets_validation_records():
    plan = parse_plan(SOURCE)
    assert (plan.collect.name, plan.model, plan.dataset_id) == ("pet-photos", "pet-photos-loop", "pet-photos")
    assert plan.collect.parameters == {"validation_fraction": DEFAULT_VALIDATION_FRACTION}


@pytest.mark.parametrize(
    "given",
    [
        FOREST,
        {**FOREST, "seed": 2**64 - 1, "budget": {"minutes": 5}},
        {
            **SOURCE,
            "collect": {
                "name": "pets",
                "parameters": {"validation_fraction": 0.1},
                "provenance": {"license": "CC0-1.0"},
            },
            "augment": {"policies": ["policies/mine/versions/2"], "before_training": [True, False]},
            "train": {"families": {"vae": {"parameters": {"width": {"choices": [1, 2], "relative": True}}}, "gan": {}}},
            "refine": {"filter": [True], "compression": ["prune+int8"]},
            "mint": {"share": {"choices": [0.3]}, "samples": 100, "emphasis": [3]},
            "evaluate": {"seeds": 1, "thresholds": {"lift": -1}, "without_thresholds": ["coverage"]},
            "decide": {"beyond_spread": True, "promote": False},
        },
    ],
    ids=["defaults", "numbers", "everything"],
)
def test_resolved_plan_is_read_as_what_it_was(given):
    plan = parse_plan(given)
    assert parse_plan(plan.to_json()) == plan


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "dataset"),
        ({**FOREST, **SOURCE}, "dataset"),
        ({"dataset": "forest"}, "dataset"),
        ({"source": "/data"}, "kind"),
        ({**FOREST, "kind": "image"}, "kind"),
        ({**FOREST, "budgets": {}}, "budgets"),
        ({**FOREST, "seed": -1}, "seed"),
        ({**FOREST, "model": "No Name"}, "model"),
        ({**FOREST, "budget": {"trials": 0}}, "budget.trials"),
        ({**FOREST, "budget": {"minutes": "long"}}, "budget.minutes"),
        ({**FOREST, "budget": {"hours": 1}}, "budget.hours"),
        ({**FOREST, "budget": [1]}, "budget"),
        ({**FOREST, "collect": {"name": "pets"}}, "collect.name"),
        ({**SOURCE, "collect": {"name": "Pets"}}, "collect.name"),
        ({**SOURCE, "collect": {"provenance": {"licence": "CC0"}}}, "collect.provenance.licence"),
        ({**FOREST, "augment": {"policies": ["none", "light"]}}, "augment.policies[0]"),
        ({**FOREST, "augment": {"policies": ["light", "light"]}}, "augment.policies"),
        ({**FOREST, "augment": {"before_training": ["yes"]}}, "augment.before_training[0]"),
        ({**FOREST, "train": {"families": {"vae": {"width": {}}}}}, "train.families.vae.width"),
        (
            {**FOREST, "train": {"families": {"vae": {"parameters": {"width": 3}}}}},
            "train.families.vae.parameters.width",
        ),
        (
            {**FOREST, "train": {"families": {"vae": {"parameters": {"width": {"low": 3, "high": 2}}}}}},
            "train.families.vae.parameters.width.high",
        ),
        (
            {**FOREST, "train": {"families": {"vae": {"parameters": {"width": {"low": 0, "high": 2, "log": True}}}}}},
            "train.families.vae.parameters.width.low",
        ),
        (
            {**FOREST, "train": {"families": {"vae": {"parameters": {"width": {"choices": [8], "low": 1}}}}}},
            "train.families.vae.parameters.width",
        ),
        (
            {**FOREST, "train": {"families": {"vae": {"parameters": {"x": {"choices": ["a"], "relative": True}}}}}},
            "train.families.vae.parameters.x.choices[0]",
        ),
        ({**FOREST, "train": {"stop_early": 3}}, "train.stop_early"),
        ({**FOREST, "refine": {"compression": ["int8", "zip"]}}, "refine.compression[1]"),
        ({**FOREST, "mint": {"share": {"low": 0.2, "high": 1.0}}}, "mint.share"),
        ({**FOREST, "mint": {"samples": 1.5}}, "mint.samples"),
        ({**FOREST, "mint": {"emphasis": [0.5]}}, "mint.emphasis[0]"),
        ({**FOREST, "evaluate": {"seeds": 101}}, "evaluate.seeds"),
        ({**FOREST, "evaluate": {"thresholds": {"lift": "high"}}}, "evaluate.thresholds.lift"),
        ({**FOREST, "decide": {"least_gain": 2}}, "decide.least_gain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_by_its_path(given, path):
    with pytest.raises(InvalidField) as caught:
        parse_plan(given)
    assert caught.value.metadata["field"] == path
