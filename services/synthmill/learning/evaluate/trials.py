"""Trains the same probes on every way to make training data, and counts what each gets right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synthmill.kinds.base import Columns
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.evaluate.arms import REAL, WAYS, Ingredients, Way
from synthmill.learning.evaluate.confusion import confuse
from synthmill.learning.evaluate.notes import remember
from synthmill.learning.probing import Probing, classify, learn
from synthmill.learning.task import LABEL, CheckCallback

Report = Callable[[str, int, int], None]
"""Told of a phase, of what is done of it, and of all that there is to do."""

TEST, VALIDATION, SAMPLES = "test", "validation", "samples"
"""What probes are tested on: real records of two splits, and samples."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one probe has learned.

    Attributes:
        records: different records that it learned from; 0 if each was made anew.
        matrices: confusion matrix, int64 (classes, classes), by what it was tested on.
    """

    records: int
    matrices: Mapping[str, np.ndarray]


Outcomes = Mapping[str, Sequence[Outcome]]
"""Of the probes of every way, by its name; those at the same place had the same seed."""


@dataclasses.dataclass(frozen=True)
class Trials:
    """Everything that the outcomes depend on.

    Attributes:
        plan: how probes learn.
        given: what they learn from.
        tested: real records that they are tested on, by split: "test", and "validation" where there are any.
        seeds: number of probes for each way.
        seed: of all of them.
        arms: names of the only ways that are tried; empty means all.
    """

    plan: Probing
    given: Ingredients
    tested: Mapping[str, Columns]
    seeds: int
    seed: int
    arms: Sequence[str] = ()

    @property
    def ways(self) -> list[Way]:
        """Those that are wanted, and possible with what there is."""
        possible = [way for way in WAYS if self.given.policy is not None or not way.augments]
        return [way for way in possible if not self.arms or way.name in self.arms]

    def run(self, folder: Path, report: Report, check: CheckCallback) -> Outcomes:
        """Trains and tests all probes but those that an earlier attempt has.

        Probes of the same place differ by what they learn from alone: first weights and seeds are the same.

        Args:
            folder: for what was measured.
            report: told after every probe.
            check: called between steps; raises to stop.
        """
        found: dict[str, list[Outcome]] = {way.name: [] for way in self.ways}
        total, done = self.seeds * len(found), 0
        for number in range(self.seeds):
            for way in self.ways:
                report("training probes", done, total)
                path = folder / f"probe-{way.name}-{number}.json"
                found[way.name].append(_read(remember(path, partial(self._try, way, number, check))))
                done += 1
        report("training probes", done, total)
        return found

    def _try(self, way: Way, number: int, check: CheckCallback) -> dict[str, Any]:
        seed = derive_seed(self.seed, Stream.PROBE, number)
        lesson = way.prepare(self.given, seed, check)
        probe = learn(self.plan, lesson.supply, seed, check, lesson.class_weights)
        # What a probe of real records makes of the samples is the one more that is asked for.
        tested = {**self.tested, **({SAMPLES: self.given.samples} if way.name == REAL else {})}
        matrices = {
            name: confuse(columns[LABEL], classify(self.plan, probe, columns, check), self.plan.label_count).tolist()
            for name, columns in tested.items()
        }
        return {"records": lesson.records, "matrices": matrices}


def _read(stored: Mapping[str, Any]) -> Outcome:
    matrices = {name: np.array(rows, np.int64) for name, rows in stored["matrices"].items()}
    return Outcome(stored["records"], matrices)
