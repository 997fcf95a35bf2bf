"""Arms and figures from confusion matrices that were made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthmill.learning.evaluate.findings import Interval
from synthmill.learning.evaluate.intervals import over_repetitions
from synthmill.learning.evaluate.trials import Outcome
from synthmill.learning.evaluate.utility import choose, describe_arms, measure_utility

LABELS = ("cat", "dog")


def matrix(cats: int, dogs: int) -> np.ndarray:
    """Returns what became of ten cats and ten dogs, so many of which are recognised."""
    return np.array([[cats, 10 - cats], [10 - dogs, dogs]])


def outcome(test: tuple[int, int], validation: tuple[int, int] | None = None, **more: np.ndarray) -> Outcome:
    chosen_by = {} if validation is None else {"validation": matrix(*validation)}
    return Outcome(20, {"test": matrix(*test), **chosen_by, **more})


SAMPLES = {"samples": np.array([[8, 2], [0, 0]])}
OUTCOMES = {
    "real": [outcome((9, 7), (9, 9), **SAMPLES), outcome((8, 8), (9, 9), **SAMPLES)],
    "oversampled": [outcome((10, 10), (6, 6)), outcome((10, 10), (6, 6))],
    "synthetic": [outcome((8, 4), (5, 5)), outcome((8, 6), (5, 5))],
    "real_synthetic": [outcome((10, 8), (8, 8)), outcome((9, 9), (8, 8))],
}


def figures() -> dict:
    return {figure.name: figure for figure in measure_utility(OUTCOMES, choose(OUTCOMES), LABELS)}


def test_an_interval_is_students():
    values = [0.8, 0.84, 0.85]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    found = over_repetitions(values)
    assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
    assert over_repetitions([0.8]) == Interval(0.8, 0.8, 0.8)


def test_the_best_arms_are_chosen_on_validation_records_where_there_are_any():
    choice = choose(OUTCOMES)
    assert (choice.split, choice.synthetic, choice.baseline) == ("validation", "real_synthetic", "real")
    without = {
        name: [Outcome(20, {"test": each.matrices["test"]}) for each in outcomes] for name, outcomes in OUTCOMES.items()
    }
    choice = choose(without)
    assert (choice.split, choice.synthetic, choice.baseline) == ("test", "real_synthetic", "oversampled")


def test_figures_by_hand():
    found = figures()
    assert found["tstr"].measured.value == pytest.approx(0.65)
    assert found["trtr"].measured.value == pytest.approx(0.8)
    assert found["tstr"].real == found["trts"].real == found["trtr"].measured
    assert found["trts"].measured == Interval(0.8, 0.8, 0.8)
    assert found["tstr_ratio"].measured.value == pytest.approx((0.6 / 0.8 + 0.7 / 0.8) / 2)
    assert found["tstr"].by_class == pytest.approx({"cat": 0.8, "dog": 0.5})
    # There are no samples of dogs.
    assert found["trts"].by_class == pytest.approx({"cat": 0.8})


def test_lift_is_paired_seed_by_seed():
    found = figures()["lift"]
    # Macro-F1 is the mean of 20/22 and 16/18 where 10 and 8 of ten are recognised, and of 18/22 and 14/18 where 9 and 7
    # are; where as many of both are, it is the accuracy.
    gains = [(20 / 22 + 16 / 18 - 18 / 22 - 14 / 18) / 2, 0.9 - 0.8]
    assert found.measured.value == pytest.approx(np.mean(gains))
    low, high = stats.t.interval(0.95, 1, np.mean(gains), stats.sem(gains))
    assert (found.measured.low, found.measured.high) == pytest.approx((low, high))
    assert found.by_class == pytest.approx({"cat": 0.1, "dog": 0.1})
    assert "(real_synthetic)" in found.meaning
    assert "best on validation records" in found.meaning


def test_arms_are_told_in_order_with_every_run():
    arms = describe_arms(OUTCOMES, LABELS)
    assert [arm.name for arm in arms] == list(OUTCOMES)
    assert arms[3].runs == pytest.approx([(20 / 22 + 16 / 18) / 2, 0.9])
    assert arms[3].accuracy.value == pytest.approx(0.9)
    assert arms[3].recall["dog"].value == pytest.approx(0.85)
    assert [arm.synthetic for arm in arms] == [False, False, True, True]


def test_no_ratio_to_nothing():
    nothing = outcome((0, 0), samples=np.array([[1, 0], [0, 1]]))
    outcomes = {"real": [nothing], "synthetic": [outcome((5, 5))]}
    names = [figure.name for figure in measure_utility(outcomes, choose(outcomes), LABELS)]
    assert names == ["tstr", "trtr", "trts", "lift", "lift_over_real"]
