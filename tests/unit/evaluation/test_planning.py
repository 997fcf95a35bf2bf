"""How many samples of each class an evaluation draws."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synthmill.evaluation.planning import plan_samples


def test_each_class_has_its_share_of_the_real_records():
    assert plan_samples([60, 30, 10], 100) == [60, 30, 50]
    assert plan_samples([50, 50], 100) == [50, 50]
    assert plan_samples([50, 50], 1000) == [500, 500]


def test_a_class_gets_what_it_lacks_however_few_are_asked_for():
    assert plan_samples([100, 3], 1) == [1, 97]
    assert plan_samples([4, 0, 4], 8) == [4, 4, 4]


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=50).filter(any), st.integers(1, 10**8))
def test_there_are_as_many_as_asked_for_and_enough_to_balance(counts, samples):
    planned = plan_samples(counts, samples)
    assert sum(planned) >= samples
    assert all(count + number >= max(counts) for count, number in zip(counts, planned, strict=True))
