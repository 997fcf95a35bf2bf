"""The best way to do without samples, by the trials."""

from __future__ import annotations

import dataclasses

from synthmill.pipeline.record import Stage, State
from synthmill.pipeline.run import Run
from synthmill.pipeline.searching import trial_key
from synthmill.pipeline.spaces import POLICY
from synthmill.pipeline.steps.evaluate import evaluated


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A way to train without samples.

    Attributes:
        arm: its name.
        policy: of classic augmentation, in the trial that has measured it.
        evaluation: that says what it is worth; empty if none does.
    """

    arm: str = "real"
    policy: str = ""
    evaluation: str = ""


def best_baseline(run: Run) -> Baseline:
    """Returns the best that trials have measured on validation records; the real records alone if none has."""
    found = [(0.0, Baseline())]
    for trial in run.record.trials:
        if trial.stage is Stage.POLICIES and trial.state is State.COMPLETE:
            judged = evaluated(run, trial_key(trial))
            for name, arm in judged.arms.items():
                found.append((arm.validation, Baseline(name, trial.values[POLICY], judged.name)))
    return max(found, key=lambda each: each[0])[1]
