"""Measurements that take turns, round by round."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from synthmill.bench.statistics import Figures, Rounds

Round = Mapping[str, Figures]
"""What a round has found so far, by measurement."""

Progress = Callable[[int, int, str], None]
"""Called with (measurements done, measurements in all, the next one)."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """One measurement.

    Attributes:
        key: its name, "stream/raw/4".
        measure: does it, given what this round has found so far.
    """

    key: str
    measure: Callable[[Round], Figures]


def run_rounds(plan: Sequence[Probe], rounds: int, pause_s: float, on_progress: Progress) -> Rounds:
    """Makes the measurements of a plan in their order, over and over.

    Args:
        plan: those that are compared stand next to each other.
        rounds: how often.
        pause_s: time between measurements, in which a service finishes what the last one left.
        on_progress: told before each measurement.
    """
    done = Rounds()
    for number in range(rounds):
        found: dict[str, Figures] = {}
        for turn, probe in enumerate(plan):
            on_progress(number * len(plan) + turn, rounds * len(plan), probe.key)
            found[probe.key] = probe.measure(found)
            time.sleep(pause_s)
        done.figures.append(found)
    return done
