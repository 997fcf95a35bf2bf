"""Validations choose the checkpoint to export, and tell when a run is done, gets no better or goes wrong."""

from __future__ import annotations

import json

import pytest

from synthmill.learning.course import (
    CLASS_COLLAPSE,
    COLLAPSE,
    DIVERGENCE,
    FIDELITY,
    PLATEAU,
    TARGET,
    TSTR,
    Course,
    Validation,
    Verdict,
)


def found(step: int, utility: float, **changes) -> Validation:
    return Validation(
        **{
            "step": step,
            "progress": step / 1000,
            "utility": utility,
            "standard_error": 0.01,
            "diversity": 0.9,
            "class_diversity": 0.8,
            "least_diverse": "cat",
        }
        | changes
    )


def take(course: Course, *utilities: float, losses: dict[str, float] | None = None, **changes) -> list[Verdict]:
    done = len(course.validations)
    return [
        course.take(found(100 * (done + number), utility, **changes), losses or {})
        for number, utility in enumerate(utilities, start=1)
    ]


def test_best_is_the_latest_that_cannot_be_told_from_the_highest():
    course = Course(TSTR)
    assert [verdict.is_best for verdict in take(course, 0.5, 0.7, 0.695, 0.68, 0.71)] == [True, True, True, False, True]
    assert course.best.utility == 0.71
    # Small steps down do not add up: the highest stays the yardstick.
    assert [verdict.is_best for verdict in take(course, 0.703, 0.699)] == [True, False]


def test_first_validation_is_best_and_says_its_figure():
    (verdict,) = take(Course(FIDELITY), -3.0)
    assert verdict.is_best
    assert verdict.said == ("step 100: fidelity -3.000 (standard error 0.010)",)


def test_target_ends_the_run():
    *before, last = take(Course(TSTR, target=0.7), 0.5, 0.69, 0.7)
    assert {verdict.stop for verdict in before} == {""}
    assert last.stop == TARGET
    assert last.is_best
    assert "tstr has reached 0.7: the run ends here" in last.said


def test_plateau_ends_the_run_after_patience():
    stops = [verdict.stop for verdict in take(Course(TSTR, patience=0.3), 0.5, 0.7, 0.69, 0.7, 0.69)]
    assert stops == ["", "", "", "", PLATEAU]
    assert all(not verdict.stop for verdict in take(Course(TSTR, patience=0.0), *[0.7] * 9))
    assert all(not verdict.stop for verdict in take(Course(TSTR, patience=0.3), 0.5, 0.6, 0.61, 0.62, 0.63, 0.64))


@pytest.mark.parametrize(
    ("signs", "words", "trouble"),
    [
        ({"diversity": 0.05}, "samples vary 0.05 times as much as real records: the generator has collapsed", COLLAPSE),
        ({"class_diversity": 0.02}, "samples of the class cat vary 0.02 times", CLASS_COLLAPSE),
        ({"losses": {"discriminator": 0.001}}, "the discriminator tells all samples from real records", ""),
    ],
    ids=["all", "class", "discriminator"],
)
def test_collapse_is_told_at_once_and_dealt_with_when_it_lasts(signs, words, trouble):
    course = Course(TSTR)
    take(course, 0.6, 0.7, 0.8)
    first, second = take(course, 0.7, 0.7, **signs)
    assert any(words in text for text in first.said)
    assert (first.trouble, second.trouble) == ("", trouble)
    assert course.best.step == 300


def test_collapsed_samples_are_never_best():
    course = Course(TSTR)
    take(course, 0.6, 0.7)
    assert [verdict.is_best for verdict in take(course, 0.9, 0.7, diversity=0.05)] == [False, False]


def test_a_class_that_has_never_varied_is_no_reason_to_go_back():
    course = Course(TSTR)
    verdicts = take(course, *[0.7] * 5, class_diversity=0.02)
    assert {verdict.trouble for verdict in verdicts} == {""}
    assert all(verdict.is_best for verdict in verdicts)


def test_alike_samples_mean_nothing_at_the_start():
    course = Course(TSTR)
    verdicts = [course.take(found(step, 0.1, diversity=0.01), {}) for step in (50, 100, 150)]
    assert all(len(verdict.said) == 1 and not verdict.trouble for verdict in verdicts)


def test_a_far_fall_that_lasts_is_divergence_and_a_moment_is_not():
    course = Course(TSTR)
    take(course, 0.8)
    moment, again = take(course, 0.4, 0.8)
    assert "fallen from 0.800 at step 100" in moment.said[1]
    assert (moment.trouble, again.trouble) == ("", "")
    assert [verdict.trouble for verdict in take(course, 0.4, 0.4)] == ["", DIVERGENCE]


def test_going_back_forgets_what_came_after_the_best():
    course = Course(TSTR)
    take(course, 0.8, 0.2, 0.2)
    course.go_back()
    assert [known.step for known in course.validations] == [100]
    assert take(course, 0.3)[0].trouble == ""


def test_copies_are_told_of_once():
    first, second = take(Course(TSTR), 0.7, 0.7, copied_share=0.4)
    assert "40% of the samples are closer to one training record than 95% of real records" in first.said[1]
    assert len(second.said) == 1


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_it_survives_a_checkpoint(stop):
    utilities = [0.6, 0.8, 0.3, 0.79, 0.2, 0.2]
    whole, first, second = (Course(TSTR, patience=0.5) for _ in range(3))
    expected = take(whole, *utilities)
    before = take(first, *utilities[:stop])
    second.restore(json.loads(json.dumps(first.state())))
    assert before + take(second, *utilities[stop:]) == expected
    assert second.best == whole.best
