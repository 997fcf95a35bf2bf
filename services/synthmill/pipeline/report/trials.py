"""Trials: their scores one after the other, and a row for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from synthmill.learning.evaluate.findings import Interval
from synthmill.pages.curves import Curve, draw_curve
from synthmill.pages.numerals import show
from synthmill.pipeline.record import Stage, State, Trial

TITLES: Mapping[Stage, str] = {
    Stage.POLICIES: "Without samples",
    Stage.GENERATORS: "Generators",
    Stage.MIXES: "Uses of the best generator",
}

_BEST = "Best with samples so far"
_STATES = {State.RUNNING: "under way", State.COMPLETE: "", State.STOPPED: "ended early", State.FAILED: "failed"}


@dataclasses.dataclass(frozen=True)
class TrialRow:
    """A trial as people read it.

    Attributes:
        number: of it.
        round: that it belongs to.
        stage: what was looked for.
        values: what was tried.
        score: macro-F1 on validation records; empty if there is none.
        is_best: whether none of the stage is better.
        state: what else became of it; empty if it is complete.
        note: why.
        model: whose samples were measured.
        minutes: time that it took.
    """

    number: int
    round: int
    stage: str
    values: str
    score: str
    is_best: bool
    state: str
    note: str
    model: str
    minutes: str


def draw_scores(trials: Sequence[Trial]) -> Curve | None:
    """Draws the scores of trials, and the best so far with samples; None if none has one."""
    marks = [str(trial.number) for trial in trials]
    series: dict[str, list[Interval | None]] = {
        TITLES[stage]: [_point(trial.score) if trial.stage is stage else None for trial in trials] for stage in Stage
    }
    best: float | None = None
    so_far: list[Interval | None] = []
    for trial in trials:
        if trial.stage is not Stage.POLICIES and trial.score is not None:
            best = trial.score if best is None else max(best, trial.score)
        so_far.append(_point(best))
    series[_BEST] = so_far
    return draw_curve("Score of each trial", marks, series, joined=[_BEST], undotted=[_BEST])


def list_trials(trials: Sequence[Trial]) -> list[TrialRow]:
    """Returns a row for each trial."""
    best = {
        stage: max((trial.score for trial in trials if trial.stage is stage and trial.score is not None), default=None)
        for stage in Stage
    }
    return [_row(trial, is_best=trial.score is not None and trial.score == best[trial.stage]) for trial in trials]


def tell_values(values: Mapping[str, Any]) -> str:
    """Says what was tried."""
    return ", ".join(f"{name} {_tell(value)}" for name, value in values.items() if value != "") or "no augmentation"


def _row(trial: Trial, *, is_best: bool) -> TrialRow:
    return TrialRow(
        number=trial.number,
        round=trial.round,
        stage=TITLES[trial.stage],
        values=tell_values(trial.values),
        score="" if trial.score is None else show(trial.score, 3),
        is_best=is_best,
        state=_STATES[trial.state],
        note=trial.note,
        model=trial.model,
        minutes=show(trial.seconds / 60, 1) if trial.seconds else "",
    )


def _tell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _point(value: float | None) -> Interval | None:
    return None if value is None else Interval(value, value, value)
