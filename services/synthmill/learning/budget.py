"""How long a run lasts, and how much of it is done at each step; needs no torch.

A run by steps is a pure function of its task: progress at step n is n / steps. How many steps fit into a time is not
known before, so that a run by time decides about it again and again: it looks at its pace, fixes the number of steps,
and keeps to that until the next decision. Decisions are part of the checkpoint, so that a resumed run has the same
schedule.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

UNBOUNDED_STEPS = 100_000_000
"""What a run by time has for `steps` if it was given none; the most that the hyper-parameter allows."""

_FIRST_S, _FIRST_SHARE = 1.0, 0.02
_LONGEST_SHARE = 0.1
_SHORTEST_SHARE = 0.005
_JUST_BELOW_ONE = math.nextafter(1.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a run has decided about its rest.

    Attributes:
        step: steps done when it was made.
        progress: share of the run that was done, in [0, 1).
        total: steps in all, above `step`.
        elapsed_s: time spent when it was made.
    """

    step: int
    progress: float
    total: int
    elapsed_s: float = 0.0


class Plan:
    """The schedule of a run that ends after a number of steps or a time, whichever comes first.

    Args:
        steps: most steps.
        seconds: most training time over all attempts; 0 sets no bound.
    """

    def __init__(self, steps: int, seconds: float = 0.0) -> None:
        self._steps, self._seconds = steps, seconds
        self._decisions = [Decision(0, 0.0, steps)]
        self._next_s = min(_FIRST_S, _FIRST_SHARE * seconds) if seconds else math.inf

    @property
    def total(self) -> int:
        """Steps in all by the latest decision; 0 while a run by time has made none."""
        return 0 if self.is_by_time and len(self._decisions) == 1 else self._decisions[-1].total

    @property
    def is_by_time(self) -> bool:
        """Whether a time bounds the run."""
        return self._seconds > 0

    def progress(self, step: int) -> float:
        """Returns the share of the run that is done before a step, in [0, 1)."""
        last = self._decisions[-1]
        share = (step - last.step) / (last.total - last.step)
        return min(last.progress + (1.0 - last.progress) * share, _JUST_BELOW_ONE)

    def is_due(self, elapsed_s: float) -> bool:
        """Tells whether it is time for the next decision."""
        return elapsed_s >= self._next_s

    def decide(self, step: int, elapsed_s: float, step_s: float, reserve_s: float = 0.0) -> None:
        """Fixes how many steps the rest of the run has.

        Args:
            step: steps done.
            elapsed_s: time spent.
            step_s: time that a step takes of late.
            reserve_s: time to be kept for other things than steps.
        """
        left_s = self._seconds - elapsed_s
        fitting = max(1, round((left_s - reserve_s) / max(step_s, 1e-9)))
        total = max(step + 1, min(self._steps, step + fitting))
        self._decisions.append(Decision(step, self.progress(step), total, elapsed_s))
        # Soon at first and towards the end, so that an error in the pace is small by then.
        pause_s = min(elapsed_s, _LONGEST_SHARE * self._seconds, left_s / 2)
        self._next_s = elapsed_s + max(pause_s, _SHORTEST_SHARE * self._seconds)

    def why_over(self, step: int, elapsed_s: float) -> str:
        """Returns what has ended the run: "steps", "time", or nothing while it goes on."""
        if step >= self._steps:
            return "steps"
        if self.is_by_time and (elapsed_s >= self._seconds or step >= self._decisions[-1].total):
            return "time"
        return ""

    def seconds_for(self, share: float) -> float:
        """Returns a share of the time that bounds the run, in seconds."""
        return share * self._seconds

    def state(self) -> dict[str, Any]:
        """Returns everything that was decided, as JSON."""
        next_s = self._next_s if math.isfinite(self._next_s) else None
        return {"decisions": [dataclasses.asdict(decision) for decision in self._decisions], "next_s": next_s}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state`."""
        self._decisions = [Decision(**decision) for decision in state["decisions"]]
        self._next_s = math.inf if state["next_s"] is None else state["next_s"]
