"""Trials, one after the other: what is tried is suggested by a study, what comes of it is told to the study."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from synthmill.pipeline.partners import JobFailed, JobStopped
from synthmill.pipeline.record import Stage, State, Trial, trial_from_json
from synthmill.pipeline.run import Run
from synthmill.pipeline.spaces import Space
from synthmill.pipeline.study import Study, Suggestion
from synthmill.runtime.errors import BadData, FailedPrecondition, InvalidField, NotFound

REFUSALS = (InvalidField, FailedPrecondition, NotFound, BadData)
"""A service that answers so has looked at the request: that it cannot be done is a finding."""


@dataclasses.dataclass(frozen=True)
class Made:
    """What a trial has made.

    Attributes:
        score: macro-F1 on validation records.
        model: version whose samples were measured; empty if there are none.
        dataset: version that holds them; empty if they were not kept.
        evaluation: that the score is from.
    """

    score: float
    model: str = ""
    dataset: str = ""
    evaluation: str = ""


Make = Callable[[str, Suggestion], Made]
"""Makes a trial: gets the key that its steps begin with, and what is suggested."""


def try_next(run: Run, study: Study, space: Space, stage: Stage, round_number: int, make: Make) -> Trial | None:
    """Makes the next trial of a stage, once; returns it, or None if all there is was tried.

    A trial that fails is a finding, too; only what concerns the whole loop is raised.

    Raises:
        SynthmillError: a service was away for too long, or the loop is to stop.
    """
    number = len(run.record.trials) + 1
    key = f"round {round_number}/trial {number}"
    begun = run.journal.once(f"{key}/{stage}", lambda: _begin(run, study, space))
    if begun is None:
        return None
    suggestion = Suggestion(begun["number"], begun["values"])
    trial = Trial(number, round_number, stage, suggestion.values)
    run.record.put(trial)
    run.keep()
    ended = trial_from_json(
        run.journal.once(key, lambda: dataclasses.asdict(_make(run, key, trial, suggestion, begun["spent_s"], make)))
    )
    study.tell(suggestion.number, ended.score, stopped=ended.state is State.STOPPED)
    run.record.put(ended)
    run.keep()
    run.say(describe(ended))
    return ended


def trial_key(trial: Trial) -> str:
    """Returns what the keys of a trial's steps begin with."""
    return f"round {trial.round}/trial {trial.number}"


def _begin(run: Run, study: Study, space: Space) -> dict[str, Any] | None:
    suggestion = study.suggest(space)
    return suggestion and {**dataclasses.asdict(suggestion), "spent_s": run.clock.spent_s}


def _make(run: Run, key: str, trial: Trial, suggestion: Suggestion, began_s: float, make: Make) -> Trial:
    try:
        made = make(key, suggestion)
        ended = dataclasses.replace(trial, state=State.COMPLETE, **dataclasses.asdict(made))
    except JobStopped as stopped:
        ended = dataclasses.replace(trial, state=State.STOPPED, note=str(stopped))
    except (JobFailed, *REFUSALS) as failed:
        ended = dataclasses.replace(trial, state=State.FAILED, note=str(failed))
    return dataclasses.replace(ended, seconds=run.clock.spent_s - began_s)


def describe(trial: Trial) -> str:
    """Says what was tried, and what came of it."""
    key = trial_key(trial)
    values = ", ".join(f"{name} {_show(value)}" for name, value in trial.values.items() if value != "")
    outcome = {
        State.RUNNING: "under way",
        State.COMPLETE: f"macro-F1 {trial.score or 0.0:.3f} on validation records",
        State.STOPPED: f"ended early: {trial.note}",
        State.FAILED: f"failed: {trial.note}",
    }[trial.state]
    return f"{key}: {values}: {outcome}" if values else f"{key}: {outcome}"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
