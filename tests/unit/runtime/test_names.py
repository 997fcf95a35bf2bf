"""Resource names."""

from __future__ import annotations

import pytest

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.names import (
    DATASETS,
    MODELS,
    check_evaluation,
    check_id,
    parse_collection,
    parse_name,
    parse_subject,
    parse_version,
)

BAD_IDS = ["", "A", "1a", "-a", "a_b", "a.b", "a/b", "../a", "a" * 64, "ä", "a b", "a\n"]


@pytest.mark.parametrize("value", ["a", "digits", "fashion-mnist", "a" * 63, "x1"])
def test_good_ids_pass(value):
    assert check_id("dataset", value) == value
    assert str(parse_name(DATASETS, "name", f"datasets/{value}")) == f"datasets/{value}"


@pytest.mark.parametrize("value", BAD_IDS, ids=repr)
def test_bad_ids_are_refused_with_field_and_rule(value):
    with pytest.raises(InvalidField) as refusal:
        check_id("spec.dataset", value)
    assert refusal.value.metadata["field"] == "spec.dataset"
    assert "1 to 63 characters" in refusal.value.metadata["allowed"]
    with pytest.raises(InvalidField):
        parse_name(DATASETS, "name", f"datasets/{value}")


def test_version_is_parsed():
    parsed = parse_name(MODELS, "name", "models/digits-gan/versions/12")
    assert (parsed.collection, parsed.version, str(parsed)) == (
        "models/digits-gan",
        12,
        "models/digits-gan/versions/12",
    )


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "models/digits",
        "datasets/digits/versions/0",
        "datasets/digits/versions/01",
        "datasets/digits/versions/-1",
        "datasets/digits/versions/",
        "datasets/digits/versions/1/x",
        "datasets/digits/versions/99999999999",
        "datasets/digits\n",
    ],
    ids=repr,
)
def test_other_names_are_refused(name):
    with pytest.raises(InvalidField, match=r"datasets/\{id\}"):
        parse_name(DATASETS, "name", name)


def test_version_can_be_required_or_forbidden():
    with pytest.raises(InvalidField):
        parse_version(DATASETS, "name", "datasets/digits")
    with pytest.raises(InvalidField):
        parse_collection(DATASETS, "dataset", "datasets/digits/versions/1")


@pytest.mark.parametrize("name", ["models/digits", "models/digits/versions/3", "datasets/digits/versions/12"])
def test_subject_is_a_model_or_a_dataset(name):
    assert str(parse_subject("subject", name)) == name


@pytest.mark.parametrize("name", ["digits", "policies/light", "models/", "jobs/x", ""])
def test_other_subjects_are_refused(name):
    with pytest.raises(InvalidField) as refusal:
        parse_subject("subject", name)
    assert refusal.value.metadata["field"] == "subject"


def test_evaluation_is_a_number():
    assert check_evaluation("name", "evaluations/12") == "evaluations/12"
    for name in ("evaluations/0", "evaluations/012", "evaluations/x", "evaluations/1/x", "12", "evaluations/1\n"):
        with pytest.raises(InvalidField, match=r"evaluations/\{n\}"):
            check_evaluation("name", name)
