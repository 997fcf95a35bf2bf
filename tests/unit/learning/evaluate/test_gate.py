"""Thresholds, and what is said of those that are missed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from synthmill.learning.evaluate.findings import Better, Figure, Group, Interval
from synthmill.learning.evaluate.gate import Gate, list_thresholds
from synthmill.runtime.errors import InvalidField


def figure(name: str, value: float, reach: float = 0.0, real: Interval | None = None) -> Figure:
    measured = Interval(value, value - reach, value + reach)
    return Figure(name, Group.FIDELITY, name, "", Better.HIGH, measured, real)


CEILING = Interval(0.9, 0.85, 0.95)
GOOD = (
    figure("tstr_ratio", 0.95),
    figure("lift", 0.01, 0.005),
    figure("coverage", 0.7, real=CEILING),
    figure("class_agreement", 0.8, real=CEILING),
    figure("near_copy_share", 0.01, real=Interval(0.01, 0.0, 0.02)),
    figure("membership_tpr_1", 0.02, real=Interval(0.01, 0.0, 0.02)),
)


def judge(name: str, *figures: Figure, **numbers: float | None):
    gate = Gate.given(numbers)
    [condition] = [each for each in gate.judge(figures, classes=True) if each.figure == name]
    return condition


def test_everything_good_passes_by_the_defaults():
    conditions = Gate().judge(GOOD, classes=True)
    assert [condition.figure for condition in conditions] == [each.figure for each in list_thresholds()]
    assert all(condition.passed for condition in conditions)


def test_a_sentence_says_by_how_much():
    condition = judge("coverage", figure("coverage", 0.41, real=Interval(1.0, 1.0, 1.0)))
    assert not condition.passed
    assert condition.sentence == "coverage 0.41 is below 0.60 by 0.19"
    assert judge("tstr_ratio", figure("tstr_ratio", 0.95)).sentence == "tstr_ratio 0.95 is above 0.80 by 0.15"
    assert judge("tstr_ratio", figure("tstr_ratio", 0.8)).sentence == "tstr_ratio 0.80 is just 0.80"


def test_a_sentence_shows_a_difference_however_small():
    assert judge("tstr_ratio", figure("tstr_ratio", 0.79988)).sentence == "tstr_ratio 0.7999 is below 0.8000 by 0.0001"


def test_a_share_of_what_real_records_get_becomes_a_bound():
    condition = judge("coverage", figure("coverage", 0.5, real=CEILING))
    assert condition.bound == pytest.approx(0.54)
    assert not condition.passed
    assert condition.sentence == "coverage 0.50 is below 0.54 by 0.04; real records get 0.90"
    assert judge("coverage", figure("coverage", 0.5, real=CEILING), coverage=0.5).passed


@pytest.mark.parametrize(
    ("value", "reach", "passed"),
    [(-0.004, 0.005, True), (-0.006, 0.005, False), (-0.019, 0.5, True), (-0.021, 0.5, False), (0.0, 0.0, True)],
    ids=["within noise", "beyond noise", "noisy", "too much for any noise", "no difference"],
)
def test_samples_may_hurt_no_more_than_noise_explains(value, reach, passed):
    assert judge("lift", figure("lift", value, reach)).passed is passed


@pytest.mark.parametrize("name", ["near_copy_share", "membership_tpr_1"])
def test_copies_are_bounded_from_above_but_for_what_chance_shows(name):
    assert not judge(name, figure(name, 0.06, real=Interval(0.01, 0.0, 0.02))).passed
    assert judge(name, figure(name, 0.06, real=Interval(0.03, 0.0, 0.08))).passed
    assert not judge(name, figure(name, 0.06)).passed


def test_what_could_not_be_measured_fails_unless_it_is_switched_off():
    condition = judge("membership_tpr_1")
    assert not condition.passed
    assert condition.sentence.startswith("membership_tpr_1 could not be measured")
    assert condition.bound == 0.05
    without = Gate.given({"membership_tpr_1": None}).judge(GOOD[:-1], classes=True)
    assert "membership_tpr_1" not in [each.figure for each in without]
    assert all(each.passed for each in without)


def test_without_classes_there_is_no_condition_on_what_needs_them():
    names = [condition.figure for condition in Gate().judge(GOOD, classes=False)]
    assert names == ["coverage", "near_copy_share", "membership_tpr_1"]


@pytest.mark.parametrize(
    ("numbers", "allowed"),
    [
        ({"beauty": 1.0}, "only tstr_ratio, lift, coverage, class_agreement, near_copy_share, membership_tpr_1"),
        ({"lift": float("nan")}, "a finite number"),
        ({"lift": "much"}, "a finite number"),
        ({"lift": True}, "a finite number"),
    ],
    ids=["unknown", "nan", "text", "boolean"],
)
def test_other_thresholds_are_refused_with_what_is_allowed(numbers, allowed):
    with pytest.raises(InvalidField, match="thresholds") as refused:
        Gate.given(numbers)
    assert allowed in refused.value.metadata["allowed"]


def test_thresholds_are_told_as_the_service_needs_them():
    for threshold in list_thresholds():
        assert threshold.meaning.endswith(".")
        assert Gate().numbers[threshold.figure] == threshold.default
    assert [each.figure for each in list_thresholds() if each.better is Better.LOW] == [
        "near_copy_share",
        "membership_tpr_1",
    ]


def test_it_needs_no_torch():
    code = "import sys, synthmill.learning.evaluate.task; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
