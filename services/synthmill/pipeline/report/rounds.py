"""Rounds: the lift over them, the share of samples, and a row for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from synthmill.learning.evaluate.findings import Interval
from synthmill.pages.curves import Curve, draw_curve
from synthmill.pages.numerals import show, show_change
from synthmill.pipeline.record import Round, WeakClass


@dataclasses.dataclass(frozen=True)
class RoundRow:
    """A round as people read it.

    Attributes:
        number: of it.
        page: file of its own page.
        model: version that was evaluated; empty if there was nothing new.
        dataset: version of its samples.
        evaluation: of the model.
        is_passed: whether the gate was passed.
        share: of samples among the records of a class, in per cent.
        samples: number of samples.
        with_samples: macro-F1 on test records, and of which way to train.
        without: likewise, without samples.
        lift: difference on test records, with its interval.
        validation_lift: difference on validation records.
    """

    number: int
    page: str
    model: str
    dataset: str
    evaluation: str
    is_passed: bool
    share: int
    samples: str
    with_samples: tuple[str, str]
    without: tuple[str, str]
    lift: tuple[str, str]
    validation_lift: str


@dataclasses.dataclass(frozen=True)
class WeakRow:
    """A weak class as people read it; what is not known is empty."""

    label: str
    records: str
    recall: str
    uncovered: str
    collect: str
    advice: str


def page_of(number: int) -> str:
    """Returns the name of the file of a round's page."""
    return f"round-{number}.html"


def draw_lift(rounds: Sequence[Round]) -> Curve | None:
    """Draws the lift over the rounds that were evaluated; None if none was."""
    found = [each for each in rounds if each.evaluation]
    return draw_curve(
        "Lift over the rounds",
        [f"round {each.number}" for each in found],
        {
            "on test records": [Interval(each.lift, each.lift_low, each.lift_high) for each in found],
            "on validation records": [Interval(*3 * [each.validation_lift]) for each in found],
        },
        joined=["on test records", "on validation records"],
        with_zero=True,
    )


def list_rounds(rounds: Sequence[Round]) -> list[RoundRow]:
    """Returns a row for each round."""
    return [
        RoundRow(
            number=each.number,
            page=page_of(each.number),
            model=each.model,
            dataset=each.synthetic_dataset,
            evaluation=each.evaluation,
            is_passed=each.passed,
            share=round(100 * each.synthetic_share),
            samples=f"{each.sample_count:,}",
            with_samples=(show(each.macro_f1, 3), each.best_arm),
            without=(show(each.baseline_macro_f1, 3), each.best_baseline),
            lift=(show_change(each.lift, 3), _ends(each)),
            validation_lift=show_change(each.validation_lift, 3),
        )
        for each in rounds
    ]


def list_weak(classes: Sequence[WeakClass]) -> list[WeakRow]:
    """Returns a row for each weak class."""
    return [
        WeakRow(
            label=each.label,
            records=f"{each.record_count:,}",
            recall=show(each.recall, 2),
            uncovered="" if each.uncovered is None else show(each.uncovered, 2),
            collect=f"{each.collect_count:,}" if each.collect_count else "",
            advice=each.advice,
        )
        for each in classes
    ]


def _ends(found: Round) -> str:
    if found.lift_low == found.lift_high:
        return ""
    return f"{show_change(found.lift_low, 3)} to {show_change(found.lift_high, 3)}"
