"""What a loop has done so far: plain values, as JSON and back."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any, Self

from synthmill.runtime.store import Artifact


class Stage(enum.StrEnum):
    """What trials look for: the best classic augmentation, the best generator, the best use of it."""

    POLICIES = "policies"
    GENERATORS = "generators"
    MIXES = "mixes"


class State(enum.StrEnum):
    """What became of a trial."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    STOPPED = "STOPPED"
    FAILED = "FAILED"


class Outcome(enum.StrEnum):
    """What a loop has come to."""

    MODEL = "MODEL"
    BASELINE = "BASELINE"


@dataclasses.dataclass(frozen=True)
class Step:
    """Something that is done once; attributes as in the message `LoopStep`."""

    key: str
    job: str = ""
    result: str = ""
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Trial:
    """One attempt at something better.

    Attributes:
        number: from 1, through all rounds.
        round: from 1.
        stage: what it looks for.
        values: what was tried, by name.
        state: what became of it.
        score: macro-F1 on validation records; None if it has none.
        model: version whose samples were measured; empty if there are none.
        dataset: version that holds them; empty if they were not kept.
        evaluation: that the score is from.
        note: why it was ended early, or how it failed.
        seconds: time that it took.
    """

    number: int
    round: int
    stage: Stage
    values: Mapping[str, Any]
    state: State = State.RUNNING
    score: float | None = None
    model: str = ""
    dataset: str = ""
    evaluation: str = ""
    note: str = ""
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class WeakClass:
    """A class that a round leaves weak.

    Attributes:
        label: its name.
        record_count: its real training records.
        recall: share of its real records that the best probe recognises.
        uncovered: share of its real records that no sample lies near; None if it is not known.
        collect_count: real records that are worth collecting; 0 if samples may do.
        advice: what to do about it, and why.
    """

    label: str
    record_count: int
    recall: float
    uncovered: float | None
    collect_count: int
    advice: str


@dataclasses.dataclass(frozen=True)
class Round:
    """A round that has come to an end; attributes as in the message `LoopRound`."""

    number: int
    model: str = ""
    synthetic_dataset: str = ""
    sample_count: int = 0
    evaluation: str = ""
    passed: bool = False
    policy: str = ""
    synthetic_share: float = 0.0
    filtered: bool = False
    best_arm: str = ""
    best_baseline: str = ""
    validation_lift: float = 0.0
    lift: float = 0.0
    lift_low: float = 0.0
    lift_high: float = 0.0
    macro_f1: float = 0.0
    baseline_macro_f1: float = 0.0
    weak_classes: tuple[WeakClass, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Decision:
    """What is shipped; attributes as in the message `LoopDecision`."""

    outcome: Outcome
    model: str = ""
    promoted: bool = False
    dataset: str = ""
    evaluation: str = ""
    arm: str = ""
    policy: str = ""
    sentences: tuple[str, ...] = ()


@dataclasses.dataclass
class Record:
    """A loop so far; attributes as in the message `Loop`."""

    dataset: str = ""
    steps: list[Step] = dataclasses.field(default_factory=list)
    trials: list[Trial] = dataclasses.field(default_factory=list)
    rounds: list[Round] = dataclasses.field(default_factory=list)
    skipped: list[str] = dataclasses.field(default_factory=list)
    decision: Decision | None = None
    artifacts: list[Artifact] = dataclasses.field(default_factory=list)
    spent_s: float = 0.0

    def put(self, trial: Trial) -> None:
        """Adds a trial, in the place of what was known of it before."""
        self.trials[trial.number - 1 :] = [trial]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        return cls(
            dataset=data["dataset"],
            steps=[Step(**each) for each in data["steps"]],
            trials=[trial_from_json(each) for each in data["trials"]],
            rounds=[round_from_json(each) for each in data["rounds"]],
            skipped=list(data["skipped"]),
            decision=decision_from_json(data["decision"]) if data["decision"] else None,
            artifacts=[Artifact(**each) for each in data["artifacts"]],
            spent_s=data["spent_s"],
        )


def trial_from_json(data: Mapping[str, Any]) -> Trial:
    """Returns a trial that `dataclasses.asdict` made JSON of."""
    return Trial(**{**data, "stage": Stage(data["stage"]), "state": State(data["state"])})


def round_from_json(data: Mapping[str, Any]) -> Round:
    """Returns a round that `dataclasses.asdict` made JSON of."""
    weak = tuple(WeakClass(**each) for each in data["weak_classes"])
    return Round(**{**data, "weak_classes": weak, "sentences": tuple(data["sentences"])})


def decision_from_json(data: Mapping[str, Any]) -> Decision:
    """Returns a decision that `dataclasses.asdict` made JSON of."""
    return Decision(**{**data, "outcome": Outcome(data["outcome"]), "sentences": tuple(data["sentences"])})
