"""A request to filter is resolved, or refused with what is wrong."""

from __future__ import annotations

import pytest
from unit.training.test_compression import dataset, model

from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.training.filters import make_spec, require_dataset


def test_a_request_is_resolved_in_full():
    spec = make_spec(model(), dataset(train=9, validation=3, test=3), {"probe_seeds": "4"}, 2**63)
    assert (spec.model, spec.dataset, spec.seed) == ("models/pets/versions/2", "datasets/pets/versions/1", str(2**63))
    assert (spec.parameters["probe_seeds"], spec.parameters["attempts"], spec.parameters["score"]) == (4, 8, True)


@pytest.mark.parametrize(
    ("counts", "split"),
    [
        ({"train": 9, "validation": 3, "test": 3}, "validation"),
        ({"train": 9, "test": 3}, ""),
        ({"train": 9, "validation": 0}, ""),
    ],
)
def test_filters_are_never_judged_on_the_test_split(counts, split):
    assert make_spec(model(), dataset(**counts), {}, 0).held_out == split


def test_the_dataset_is_that_of_the_training_unless_another_is_asked_for():
    found = model()
    assert require_dataset(found, "datasets/other") == "datasets/other"
    with pytest.raises(FailedPrecondition, match="name one") as refusal:
        require_dataset(found, "")
    assert refusal.value.metadata["field"] == "dataset"
    found.dataset = "datasets/pets/versions/1"
    assert require_dataset(found, "") == "datasets/pets/versions/1"


@pytest.mark.parametrize(
    ("given", "records", "problem"),
    [
        (model(labels=[]), {"train": 9}, "has no classes"),
        (model(labels=["dog", "cat"]), {"train": 9}, "same classes in the same order"),
        (model(kind="tensor"), {"train": 9}, "of the kind tensor"),
        (model(), {"test": 3}, "no records in the split 'train'"),
    ],
    ids=["no-classes", "other-order", "other-kind", "no-train"],
)
def test_a_dataset_that_says_nothing_of_a_model_is_refused(given, records, problem):
    with pytest.raises(FailedPrecondition, match=problem):
        make_spec(given, dataset(**records), {}, 0)


def test_an_unknown_parameter_is_named():
    with pytest.raises(InvalidField, match=r"parameters\.threshold"):
        make_spec(model(), dataset(train=9), {"threshold": 1}, 0)
