"""Label plans as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.client import balance, format_labels, label_counts, label_weights, one_label, parse_labels
from synthmill.runtime.errors import InvalidField

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("3", one_label("3")),
        ("cat", one_label("cat")),
        ("red fox", one_label("red fox")),
        ('"a,b=c"', one_label("a,b=c")),
        ("cat=100,dog=50", label_counts({"cat": 100, "dog": 50})),
        ("cat=100, dog=50", label_counts({"cat": 100, "dog": 50})),
        ("cat=-1", label_counts({"cat": -1})),
        ("cat:0.3,dog:0.7", label_weights({"cat": 0.3, "dog": 0.7})),
        ("cat:nan", label_weights({"cat": float("nan")})),
        ('"n02:cat"=4', label_counts({"n02:cat": 4})),
        ("balance:datasets/pets", balance("datasets/pets")),
        ("balance:datasets/pets/versions/2=500", balance("datasets/pets/versions/2", 500)),
        ("balance:0.5,cat:1", label_weights({"balance": 0.5, "cat": 1})),
    ],
)
def test_text_means_a_plan(text, plan):
    assert str(parse_labels(text)) == str(plan)


@pytest.mark.parametrize(
    "text",
    ["", "cat,dog", "cat=99999999999999999999", "cat=1,dog",
     "cat=1,dog:2", "cat=", "cat=1.5", "cat:x", "=3", "cat=1,", "cat=1,cat=2", '"cat', "a:b:c",
     "balance:datasets/pets=many", 'x"y'],
)  # fmt: skip
def test_other_text_is_refused_with_the_syntax(text):
    with pytest.raises(InvalidField) as caught:
        parse_labels(text)
    assert caught.value.metadata["field"] in ("labels", "counts")


@given(st.one_of(
    names.map(one_label),
    st.dictionaries(names, st.integers(-(2**63), 2**63 - 1), min_size=1).map(label_counts),
    st.dictionaries(names, st.floats(allow_nan=False), min_size=1).map(label_weights),
    st.integers(0, 2**40).map(lambda target: balance("datasets/pets", target)),
))  # fmt: skip
def test_every_plan_survives_being_written_down(plan):
    assert parse_labels(format_labels(plan)) == plan


def test_no_plan_is_no_text():
    from synthmill.v1.label_plan_pb2 import LabelPlan

    assert format_labels(LabelPlan()) == ""
