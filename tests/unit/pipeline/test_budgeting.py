"""Time is divided so that there is always some for a whole evaluation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.pipeline.budgeting import (
    Limits,
    Measured,
    allot,
    count_whole_batches,
    fit,
    policies_fit,
    round_fits,
    split_trials,
    trial_fits,
    whole_fits,
)

HOUR = Limits(
    total_s=3600.0, training_s=0.0, whole_batches=count_whole_batches(3, 2000), trial_batches=1000, refines=True
)
# 20 s around the probes, and 10 ms for a batch of one.
MEASURED = [Measured(4000, 60.0), Measured(1000, 30.0), Measured(1000, 30.0)]


def test_pace_tells_what_is_probes_from_what_is_not():
    pace = fit(MEASURED)
    assert (pace.around_s, pace.batch_s) == pytest.approx((20.0, 0.01))
    assert HOUR.trial_s(MEASURED) == pytest.approx(30.0)
    assert HOUR.whole_s(MEASURED) == pytest.approx(1.25 * (20 + 48_000 * 0.01))


def test_pace_of_one_sort_of_evaluation_promises_nothing_too_good():
    assert fit([]) is None
    assert fit([Measured(1000, 30.0), Measured(1000, 32.0)]).seconds(2000) == pytest.approx(62.0)
    growing = fit([Measured(1000, 50.0), Measured(4000, 40.0)])
    assert growing.seconds(48_000) > 400


def test_rounds_share_trials_and_generators_have_most_of_them():
    assert split_trials(10, 2) == (3, 2)
    assert split_trials(1, 2) == (1, 0)
    assert split_trials(2, 1) == (1, 1)


def test_an_hour_has_two_rounds_with_whole_evaluations():
    first = allot(HOUR, 240.0, MEASURED, 10, 2)
    assert (first.generators, first.mixes) == (3, 2)
    assert 150 < first.training_s < 400
    spent_s = 240 + 3 * (first.training_s + 30) + 2 * 30 + 0.5 * 625 + 625
    assert spent_s < 3600 * 0.55 + 240


def test_short_time_has_fewer_trials_but_one_generator():
    few = allot(HOUR, 2700.0, MEASURED, 10, 2)
    assert few.generators == 1 or few.training_s >= HOUR.least_training_s
    none_left = allot(HOUR, 3590.0, MEASURED, 10, 2)
    assert (none_left.generators, none_left.mixes) == (1, 0)
    assert none_left.training_s == HOUR.least_training_s


def test_time_of_a_training_may_be_given():
    fixed = Limits(3600.0, 600.0, HOUR.whole_batches, HOUR.trial_batches, refines=False)
    found = allot(fixed, 240.0, MEASURED, 20, 2)
    assert found.training_s == 600.0
    assert found.generators * 630 < 3600 / 2


@given(
    spent_s=st.floats(0, 3600),
    batch_s=st.floats(1e-4, 0.1),
    around_s=st.floats(0, 120),
    trials=st.integers(1, 100),
    rounds=st.integers(1, 5),
)
def test_what_is_allotted_leaves_time_for_a_whole_evaluation(spent_s, batch_s, around_s, trials, rounds):
    measured = [Measured(batches, around_s + batches * batch_s) for batches in (4000, 1000)]
    found = allot(HOUR, spent_s, measured, trials, rounds)
    assert found.generators >= 1
    assert found.training_s >= HOUR.least_training_s
    needed_s = found.generators * (found.training_s + HOUR.trial_s(measured)) + found.mixes * HOUR.trial_s(measured)
    if found.generators > 1 or found.mixes:
        assert spent_s + needed_s + HOUR.whole_s(measured) <= HOUR.total_s + 1e-6


def test_what_does_not_fit_is_not_begun():
    assert trial_fits(HOUR, 2000.0, MEASURED, 300.0)
    assert not trial_fits(HOUR, 2700.0, MEASURED, 300.0)
    assert policies_fit(HOUR, 800.0, MEASURED)
    assert not policies_fit(HOUR, 880.0, MEASURED)
    assert round_fits(HOUR, 2900.0, MEASURED)
    assert not round_fits(HOUR, 2950.0, MEASURED)
    assert whole_fits(HOUR, 2900.0, MEASURED)
    assert not whole_fits(HOUR, 3000.0, MEASURED)
