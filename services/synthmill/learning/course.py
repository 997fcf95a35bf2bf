"""What validations have told of a run: its best checkpoint, whether it still gets better, and what goes wrong.

Pure: a course sees figures and answers with words and decisions; needs no torch. Its state is part of the checkpoint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

TSTR = "tstr"
FIDELITY = "fidelity"
"""What utility is: with labels, the accuracy on real records of a probe trained on samples alone; without, one minus
the energy distance between samples and real records as a share of the real ones' spread."""

COLLAPSE = "collapse"
CLASS_COLLAPSE = "class collapse"
DIVERGENCE = "divergence"
_IDLE = "idle"
TARGET = "target"
PLATEAU = "plateau"

# Samples that vary a tenth as much as real records are as good as one sample.
_NO_DIVERSITY = 0.1
# At the start all samples are alike: before this share of the run, that means nothing.
_EARLY = 0.2
# A fall that neither the noise of a probe nor a bad moment explains.
_FAR = 0.3
_STANDARD_ERRORS = 5.0
# Of a discriminator whose loss cannot be negative: it tells everything apart, and teaches nothing.
_LOSS_AT_BOUND = 0.01
# Twice in a row: a figure that looks bad once may be luck.
_IN_A_ROW = 2
# As many of the real records themselves are closer than this share of them.
_USUAL_COPIES = 0.05
_MANY_COPIES = 3 * _USUAL_COPIES
# Fewer validations say nothing about whether a run still gets better.
_LEAST_FOR_PLATEAU = 4


@dataclasses.dataclass(frozen=True)
class Validation:
    """What the averaged generator was worth after some steps.

    Attributes:
        step: steps done.
        progress: share of the run that was done.
        utility: TSTR or FIDELITY; more is better, at most 1.
        standard_error: of the utility.
        diversity: mean distance between samples, as a share of that between real records.
        class_diversity: the same within the class where it is least.
        least_diverse: that class; empty without classes.
        nearest_ratio: median distance of samples to their nearest training record, as a share of the same distance of
            real records.
        copied_share: share of samples that are as close to one training record as 5 % of real records are.
        seconds: time it took.
    """

    step: int
    progress: float
    utility: float
    standard_error: float
    diversity: float
    class_diversity: float
    least_diverse: str = ""
    nearest_ratio: float = 1.0
    copied_share: float = 0.0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What follows from a validation.

    Attributes:
        said: what is worth reading, a sentence each.
        is_best: whether this state is the one to be exported, so far.
        stop: why the run should end: "target", "plateau", or nothing.
        trouble: what goes wrong: "collapse", "class collapse", "divergence", or nothing.
    """

    said: tuple[str, ...]
    is_best: bool
    stop: str = ""
    trouble: str = ""


class Course:
    """The validations of a run so far.

    Args:
        figure: what utility is: TSTR, FIDELITY.
        target: utility that ends the run; None for none.
        patience: share of the run without a better validation that ends it; 0 for never.
    """

    def __init__(self, figure: str, target: float | None = None, patience: float = 0.0) -> None:
        self.figure = figure
        self._target, self._patience = target, patience
        self._validations: list[Validation] = []
        self._best: Validation | None = None
        self._in_a_row: dict[str, int] = {}
        self._warned: list[str] = []

    @property
    def best(self) -> Validation | None:
        """The validation of the state that is to be exported; None before the first."""
        return self._best

    @property
    def validations(self) -> list[Validation]:
        """All of them, in order; after a restart, those of the abandoned part are gone."""
        return list(self._validations)

    def take(self, found: Validation, losses: Mapping[str, float]) -> Verdict:
        """Judges a validation.

        Args:
            found: the validation.
            losses: their latest means by name.
        """
        self._validations.append(found)
        said = [f"step {found.step}: {self.figure} {found.utility:.3f} (standard error {found.standard_error:.3f})"]
        signs = self._signs(found, losses)
        trouble = self._confirm(signs)
        said += [f"step {found.step}: {text}" for text in signs.values() if text]
        said += self._copies(found)
        healthy = not (signs[COLLAPSE] or signs[DIVERGENCE])
        is_best = self._is_best(found) and (healthy or self._best is None)
        if is_best:
            self._best = found
        stop = "" if trouble else self._stop(found, said)
        return Verdict(tuple(said), is_best, stop, trouble)

    def go_back(self) -> None:
        """Forgets everything after the best validation, from where the run starts again."""
        if self._best is not None:
            self._validations = [known for known in self._validations if known.step <= self._best.step]
        self._in_a_row = {}

    def _peak(self) -> Validation:
        return max(self._validations, key=lambda known: known.utility)

    def _is_best(self, found: Validation) -> bool:
        # The latest of those that cannot be told from the highest: what follows it has learned more, and among many
        # noisy figures the highest owes its place to luck (the one-standard-error rule of Breiman et al. 1984, section
        # 3.4.3).
        peak = self._peak()
        return found.utility >= peak.utility - peak.standard_error

    def _signs(self, found: Validation, losses: Mapping[str, float]) -> dict[str, str]:
        """Returns what looks bad, in words, by name; empty texts where nothing does."""
        late = found.progress >= _EARLY
        collapsed = late and found.diversity < _NO_DIVERSITY
        alike = f"vary {found.diversity:.2f} times as much as real records: the generator has collapsed"
        class_alike = (
            f"samples of the class {found.least_diverse} vary {found.class_diversity:.2f} times as much as its real "
            "records: the generator has collapsed there"
        )
        class_collapsed = late and not collapsed and found.class_diversity < _NO_DIVERSITY
        idle = late and losses.get("discriminator", 1.0) < _LOSS_AT_BOUND
        return {
            COLLAPSE: f"samples {alike}" if collapsed else "",
            CLASS_COLLAPSE: class_alike if class_collapsed else "",
            DIVERGENCE: self._fall(found),
            _IDLE: "the discriminator tells all samples from real records and teaches the generator nothing"
            if idle
            else "",
        }

    def _fall(self, found: Validation) -> str:
        peak = self._peak()
        if found.utility >= peak.utility - max(_FAR * abs(peak.utility), _STANDARD_ERRORS * peak.standard_error):
            return ""
        return f"{self.figure} has fallen from {peak.utility:.3f} at step {peak.step}: the run diverges"

    def _confirm(self, signs: Mapping[str, str]) -> str:
        """Returns what is to be dealt with: what has lasted, and was not there when the run was at its best."""
        for name, text in signs.items():
            self._in_a_row[name] = self._in_a_row.get(name, 0) + 1 if text else 0
        was_diverse = self._best is not None and self._best.class_diversity >= _NO_DIVERSITY
        curable = (COLLAPSE, DIVERGENCE, *([CLASS_COLLAPSE] if was_diverse else []))
        return next((name for name in curable if self._in_a_row[name] >= _IN_A_ROW), "")

    def _copies(self, found: Validation) -> list[str]:
        """Says once that samples are copies."""
        if found.copied_share < _MANY_COPIES or "copies" in self._warned:
            return []
        self._warned.append("copies")
        return [
            f"step {found.step}: {found.copied_share:.0%} of the samples are closer to one training record than "
            f"{1 - _USUAL_COPIES:.0%} of real records are to each other: the model begins to learn its records by heart"
        ]

    def _stop(self, found: Validation, said: list[str]) -> str:
        if self._target is not None and found.utility >= self._target:
            said.append(f"{self.figure} has reached {self._target:g}: the run ends here")
            return TARGET
        peak = self._peak()
        idle = found.progress - peak.progress
        if self._patience and idle >= self._patience and len(self._validations) >= _LEAST_FOR_PLATEAU:
            said.append(
                f"{self.figure} has not risen above its {peak.utility:.3f} of step {peak.step} for {idle:.0%} of the "
                "run: it ends here"
            )
            return PLATEAU
        return ""

    def state(self) -> dict[str, Any]:
        """Returns everything, as JSON."""
        return {
            "validations": [dataclasses.asdict(known) for known in self._validations],
            "best_step": self._best.step if self._best else None,
            "in_a_row": self._in_a_row,
            "warned": self._warned,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`."""
        self._validations = [Validation(**known) for known in state["validations"]]
        self._best = next((known for known in self._validations if known.step == state["best_step"]), None)
        self._in_a_row, self._warned = dict(state["in_a_row"]), list(state["warned"])
