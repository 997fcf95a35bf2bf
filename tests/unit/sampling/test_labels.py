"""Label plans: pure functions of (plan, seed, index), exact where they say so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.runtime.errors import OutOfRange, ResourceExhausted
from synthmill.sampling.labels import ExactCounts, InTurn, OneLabel, Weighted, counts_to_balance

counts = st.lists(st.integers(0, 400), min_size=1, max_size=8).filter(any)


def labels(plan, seed: int = 0, start: int = 0, end: int | None = None) -> np.ndarray:
    return plan.labels(seed, np.arange(start, plan.length if end is None else end, dtype=np.int64))


@given(counts)
def test_exact_counts_are_exact(wanted):
    plan = ExactCounts(wanted)
    assert np.bincount(labels(plan), minlength=len(wanted)).tolist() == wanted
    assert plan.count(0, 0, plan.length).tolist() == wanted


@given(counts, st.data())
def test_any_part_of_exact_counts_is_counted_as_it_is(wanted, data):
    plan = ExactCounts(wanted)
    start = data.draw(st.integers(0, plan.length))
    end = data.draw(st.integers(start, plan.length))
    found = np.bincount(labels(plan, 0, start, end), minlength=len(wanted))
    assert plan.count(0, start, end).tolist() == found.tolist()


def test_exact_counts_are_spread_evenly():
    part = labels(ExactCounts([9000, 1000]), 0, 2000, 2500)
    assert abs((part == 1).sum() - 50) <= 5


def test_exact_counts_beyond_two_to_the_32_stay_exact():
    plan = ExactCounts([1 << 40, 1 << 40])
    index = np.array([0, 1, (1 << 41) - 1], np.int64)
    expected = [(int(each) * plan._step % plan.length) >> 40 for each in index]
    assert plan.labels(0, index).tolist() == expected


def test_weights_are_met_and_depend_on_the_seed():
    plan = Weighted([1.0, 3.0, 0.0, 4.0])
    found = np.bincount(labels(plan, 1, 0, 80_000), minlength=4) / 80_000
    np.testing.assert_allclose(found, [0.125, 0.375, 0.0, 0.5], atol=0.01)
    assert (labels(plan, 1, 0, 100) != labels(plan, 2, 0, 100)).any()


@pytest.mark.parametrize("plan", [InTurn(3), OneLabel(3, 2), ExactCounts([5, 90, 5]), Weighted([0.2, 0.3, 0.5])])
def test_label_of_an_index_does_not_depend_on_its_neighbours(plan):
    whole = labels(plan, 9, 0, 100)
    alone = [int(plan.labels(9, np.array([index], np.int64))[0]) for index in range(100)]
    assert whole.tolist() == alone
    assert plan.count(9, 17, 83).tolist() == np.bincount(whole[17:83], minlength=3).tolist()


def test_range_beyond_the_end_is_refused():
    with pytest.raises(OutOfRange, match="11"):
        ExactCounts([10]).check_range(0, 11)
    with pytest.raises(ResourceExhausted):
        Weighted([1.0]).count(0, 0, 1 << 40)


def test_balance_fills_up_to_the_largest_or_to_a_target():
    assert counts_to_balance([5, 0, 9], 0) == [4, 9, 0]
    assert counts_to_balance([5, 0, 9], 7) == [2, 7, 0]
