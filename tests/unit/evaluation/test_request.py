"""A request for an evaluation is resolved in full, or refused with what is wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from unit.evaluation.versions import dataset, model

from synthmill.evaluation.policies import Classic
from synthmill.evaluation.request import Asked, EvaluationSpec, make_spec
from synthmill.runtime.errors import FailedPrecondition, InvalidField

CLASSIC = Classic("light", {"steps": []}, "e" * 64)


def spec(subject=None, reference=None, **asked) -> EvaluationSpec:
    return make_spec(subject or model(), reference or dataset(test=9), CLASSIC, Asked(**asked))


def test_a_request_is_resolved_in_full():
    found = spec(seed=1 << 63)
    assert (found.subject, found.reference, found.test_split) == (
        "models/pets/versions/2",
        "datasets/pets/versions/1",
        "test",
    )
    assert (found.seeds, found.probe_steps, found.seed) == (3, 2000, str(1 << 63))
    assert (found.policy_name, found.policy, found.policy_digest) == ("light", {"steps": []}, "e" * 64)
    assert len(found.thresholds) > 1
    assert EvaluationSpec(**dataclasses.asdict(found)) == found


def test_what_is_given_is_kept():
    found = spec(seeds=5, probe_steps=70, samples=1000)
    assert (found.seeds, found.probe_steps, sum(found.sample_counts)) == (5, 70, 1000)


def test_each_class_has_its_share_of_the_samples_and_at_least_what_it_lacks():
    assert spec().sample_counts == [40, 30]
    assert spec(samples=500).sample_counts == [400, 100]
    assert spec(model(labels=()), dataset(labels=(), test=9)).sample_counts == [50]
    assert spec(dataset(name="more", test=3)).sample_counts == []


@pytest.mark.parametrize(
    ("splits", "tested_on"),
    [
        ({"test": 9, "validation": 3}, "test"),
        ({"test": 0, "validation": 3}, "validation"),
        ({"validation": 3}, "validation"),
    ],
    ids=["both", "empty-test", "validation"],
)
def test_it_is_tested_on_records_that_were_not_learned_from(splits, tested_on):
    assert spec(reference=dataset(**splits)).test_split == tested_on


@pytest.mark.parametrize(
    ("subject", "reference", "problem"),
    [
        (model(kind="tensor"), dataset(test=9), "of the kind tensor"),
        (model(labels=("dog", "cat")), dataset(test=9), "same classes in the same order"),
        (model(image=(np.dtype(np.uint8), (9, 8, 1))), dataset(test=9), r"has image \[9, 8, 1\]"),
        (model(), dataset(counts=(0, 0), test=9), "no records in the split 'train'"),
        (model(), dataset(), "no records to test on"),
        (dataset(counts=(0, 0), name="more"), dataset(test=9), "more/versions/1 has no records"),
        (dataset(labels=("cat",), counts=(5,), name="more"), dataset(test=9), "same classes"),
    ],
    ids=["kind", "order", "size", "no-train", "no-test", "no-subject", "classes"],
)
def test_two_that_do_not_fit_are_refused(subject, reference, problem):
    with pytest.raises(FailedPrecondition, match=problem):
        spec(subject, reference)


@pytest.mark.parametrize(
    ("field", "value"),
    [("seeds", -1), ("seeds", 101), ("probe_steps", -1), ("probe_steps", 10**8), ("samples", -1), ("samples", 10**9)],
)
def test_a_number_that_is_none_is_refused(field, value):
    with pytest.raises(InvalidField) as refusal:
        spec(**{field: value})
    assert refusal.value.metadata["field"] == field


def test_a_threshold_is_changed_and_another_left_out():
    found = spec(thresholds={"coverage": 0.125}, without_thresholds=["lift"]).thresholds
    assert found == {**spec().thresholds, "coverage": 0.125, "lift": None}


@pytest.mark.parametrize(
    "asked",
    [
        {"thresholds": {"beauty": 1.0}},
        {"without_thresholds": ["beauty"]},
        {"thresholds": {"coverage": float("nan")}},
        {"thresholds": {"coverage": 0.5}, "without_thresholds": ["coverage"]},
    ],
    ids=["unknown", "unknown-without", "nan", "given-and-without"],
)
def test_a_threshold_that_is_none_is_refused(asked):
    with pytest.raises(InvalidField, match="threshold"):
        spec(**asked)


def test_a_gate_without_thresholds_is_refused():
    with pytest.raises(InvalidField, match="without_thresholds"):
        spec(without_thresholds=list(spec().thresholds))
    plain = {"subject": model(labels=()), "reference": dataset(labels=(), test=9)}
    of_classes = ["tstr_ratio", "lift", "class_agreement"]
    assert spec(**plain, without_thresholds=of_classes).thresholds["coverage"]
    with pytest.raises(InvalidField, match="without_thresholds: got 'coverage, near_copy_share"):
        spec(**plain, without_thresholds=[name for name in spec().thresholds if name not in of_classes])


def test_the_service_does_without_torch():
    code = "import sys, synthmill.evaluation.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"arms": ["fake"]}, "arms"),
        ({"arms": ["real", "real"]}, "arms"),
        ({"synthetic_share": 0.99}, "synthetic_share"),
        ({"synthetic_share": -0.5}, "synthetic_share"),
        ({"subject": dataset(name="others"), "filter": {}}, "filter"),
    ],
)
def test_arms_shares_and_filters_that_cannot_be_are_refused(asked, field):
    with pytest.raises(InvalidField) as raised:
        spec(**asked)
    assert raised.value.metadata["field"] == field


def test_arms_need_what_they_are_made_of():
    with pytest.raises(InvalidField, match="augmented"):
        make_spec(model(), dataset(test=9), Classic("", {}, ""), Asked(arms=["augmented"]))
