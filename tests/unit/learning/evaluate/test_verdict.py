"""Sentences say what was measured, and turn round when it does."""

from __future__ import annotations

import dataclasses

import pytest

from synthmill.learning.evaluate.findings import Arm, Better, Condition, Figure, Group, Interval
from synthmill.learning.evaluate.utility import Choice
from synthmill.learning.evaluate.verdict import put_into_words

LABELS = ("cat", "dog", "emu")
VALIDATED = Choice("validation", "real_synthetic", "augmented")


def interval(value: float, reach: float = 0.0) -> Interval:
    return Interval(value, value - reach, value + reach)


def arm(name: str, macro_f1: float, cat: float, dog: float, *, synthetic: bool, reach: float = 0.01) -> Arm:
    recall = {"cat": interval(cat, reach), "dog": interval(dog, reach)}
    spread = interval(macro_f1, 0.01)
    return Arm(name, name.upper(), "", synthetic, 10, spread, spread, recall, [macro_f1] * 3)


def figure(name: str, value: Interval, real: Interval | None = None) -> Figure:
    return Figure(name, Group.UTILITY, name, "", Better.HIGH, value, real)


ARMS = (
    arm("real", 0.8, 0.8, 0.9, synthetic=False),
    arm("augmented", 0.85, 0.8, 0.9, synthetic=False),
    arm("synthetic", 0.6, 0.79, 0.4, synthetic=True),
    arm("real_synthetic", 0.87, 0.95, 0.805, synthetic=True),
)


def words(lift: Interval, choice: Choice = VALIDATED, copies: Interval | None = None, passed: bool = True) -> list[str]:
    figures = [figure("lift", lift), figure("tstr", interval(0.6))]
    copied = copies or interval(0.01)
    figures.append(figure("near_copy_share", copied, interval(0.01, 0.01)))
    sentence = "near_copy_share 0.30 is above 0.05 by 0.25"
    conditions = [Condition("near_copy_share", 0.05, Better.LOW, copied.value, passed, sentence)]
    return put_into_words(figures, ARMS, choice, conditions, LABELS)


def test_data_that_helps():
    said = words(interval(0.02, 0.01))
    assert said[:2] == [
        "Synthetic data helps: +2.0 points of macro-F1 (95 % interval +1.0 to +3.0, 3 seeds).",
        "The best way to train with samples, 'REAL_SYNTHETIC', reaches a macro-F1 of 0.870; the best without, "
        "'AUGMENTED', 0.850.",
    ]
    assert not any("ship" in sentence or "flatters" in sentence for sentence in said)


def test_data_that_hurts_names_what_to_ship_instead():
    said = words(interval(-0.02, 0.01))
    assert said[0] == "Synthetic data hurts: -2.0 points of macro-F1 (95 % interval -3.0 to -1.0, 3 seeds)."
    assert said[2] == "The best baseline is 'AUGMENTED': ship that."


def test_data_that_does_neither():
    said = words(interval(0.005, 0.01))
    assert said[0].startswith("Synthetic data makes no difference beyond the spread over the seeds: +0.5 points")
    assert said[2] == "'AUGMENTED' does without a generator."


def test_one_seed_decides_nothing():
    once = [dataclasses.replace(each, runs=each.runs[:1]) for each in ARMS]
    said = put_into_words([figure("lift", interval(0.1)), figure("tstr", interval(0.6))], once, VALIDATED, [], LABELS)
    assert said[0].startswith("One seed cannot tell a difference from chance: ")
    assert not any(sentence.startswith("Recognised") for sentence in said)


def test_that_the_choice_was_made_on_the_test_records_is_told():
    assert any(
        "chosen by the records that they are tested on" in each
        for each in words(interval(0.02), Choice("test", "real_synthetic", "augmented"))
    )


def test_classes_that_gain_lose_and_are_not_taught_or_tested_are_named():
    said = words(interval(0.02, 0.01))
    assert "Recognised more often with samples: cat (recall 95.0 %, not 80.0 %)." in said
    assert "Recognised less often with samples: dog (recall 80.5 %, not 90.0 %)." in said
    taught = "Samples alone teach an accuracy of 60.0 %, real records 80.0 %"
    assert f"{taught}; they fail to teach dog (recall 40.0 %, not 90.0 %)." in said
    assert "Nothing is known about emu: the test records have none." in said


def test_changes_within_the_spread_are_not_told():
    noisy = [
        dataclasses.replace(each, recall={name: interval(value.value, 0.2) for name, value in each.recall.items()})
        for each in ARMS
    ]
    said = put_into_words([figure("lift", interval(0.02)), figure("tstr", interval(0.6))], noisy, VALIDATED, [], LABELS)
    assert not any(sentence.startswith("Recognised") for sentence in said)


@pytest.mark.parametrize(
    ("copies", "passed", "beginning"),
    [
        (interval(0.3, 0.01), False, "Copies are a concern: 30.0 % of the samples are near copies"),
        (interval(0.04, 0.01), True, "There are more copies than chance explains"),
        (interval(0.015, 0.01), True, "Nothing points to copies: 1.5 %"),
    ],
    ids=["many", "some", "chance"],
)
def test_copies(copies, passed, beginning):
    [sentence] = [each for each in words(interval(0.02), copies=copies, passed=passed) if "cop" in each][:1]
    assert sentence.startswith(beginning)


def test_copies_are_a_concern_where_nobody_bounds_them_too():
    figures = [figure("near_copy_share", interval(0.3, 0.01), interval(0.01, 0.01))]
    assert put_into_words(figures, [], None, [], ())[0].startswith("Copies are a concern: ")


def test_the_gate_has_the_last_word():
    refused = words(interval(0.02), copies=interval(0.3), passed=False)[-1]
    assert refused == "The gate refuses, by 1 of its 1 conditions: near_copy_share 0.30 is above 0.05 by 0.25."
    assert words(interval(0.02))[-1] == "The gate passes it: all of its 1 conditions hold."
    assert put_into_words([], [], None, [], ())[-1] == "The gate sets no conditions."
