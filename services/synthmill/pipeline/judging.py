"""Evaluations as the loop reads them: what each way to train is worth, and what the gate says."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

from synthmill.runtime.structs import from_struct
from synthmill.v1 import evaluation_pb2

BASELINES = ("real", "oversampled", "class_weighted", "smote", "augmented")
"""Ways to train without samples."""

WITH_SAMPLES = ("real_synthetic", "everything")
"""Ways to train on real records and samples."""

AUGMENTED, EVERYTHING, REAL_SYNTHETIC = "augmented", "everything", "real_synthetic"

_ARMS = "arms."


@dataclasses.dataclass(frozen=True)
class Arm:
    """What one way to train is worth.

    Attributes:
        macro_f1: on test records.
        validation: macro-F1 on validation records.
        recall: of each class by name; on validation records where that is told, else on test records.
    """

    macro_f1: float
    validation: float
    recall: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Judged:
    """An evaluation.

    Attributes:
        name: "evaluations/{id}".
        passed: whether the gate is passed.
        missed: sentences of the gate's conditions that do not hold.
        arms: by name.
        lift: macro-F1 of the best arm with samples less that of the best without, on test records; None if unknown.
    """

    name: str
    passed: bool
    missed: tuple[str, ...]
    arms: Mapping[str, Arm]
    lift: float | None

    def best(self, names: Collection[str]) -> str:
        """Returns the arm with the highest macro-F1 on validation records of some; empty if there is none of them."""
        tried = [name for name in self.arms if name in names]
        return max(tried, key=lambda name: self.arms[name].validation, default="")

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        arms = {name: Arm(**arm) for name, arm in data["arms"].items()}
        return cls(**{**data, "missed": tuple(data["missed"]), "arms": arms})


def read_evaluation(evaluation: evaluation_pb2.Evaluation) -> Judged:
    """Reads the message of an evaluation; an arm without a figure on validation records has that on test ones."""
    figures = from_struct(evaluation.figures)
    return Judged(
        name=evaluation.name,
        passed=evaluation.passed,
        missed=tuple(condition.sentence for condition in evaluation.conditions if not condition.passed),
        arms={name: _arm(found) for name, found in _by_arm(figures)},
        lift=figures.get("lift"),
    )


def _by_arm(figures: Mapping[str, float]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields the figures of each arm without their prefix: "arms.real.recall.cat" is "recall.cat" of "real"."""
    arms: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        if name.startswith(_ARMS):
            arm, _, figure = name.removeprefix(_ARMS).partition(".")
            arms.setdefault(arm, {})[figure] = value
    yield from arms.items()


def _arm(figures: Mapping[str, float]) -> Arm:
    recall = _by_class(figures, "validation_recall.") or _by_class(figures, "recall.")
    return Arm(figures["macro_f1"], figures.get("validation_macro_f1", figures["macro_f1"]), recall)


def _by_class(figures: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in figures.items() if name.startswith(prefix)}
