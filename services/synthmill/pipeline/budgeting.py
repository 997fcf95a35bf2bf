"""How the time that is left is used: pure. Whatever else happens, there is to be time for a whole evaluation."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from synthmill.pipeline.judging import BASELINES, WITH_SAMPLES

# All arms: those without samples, those with real records and samples, and samples alone.
_ALL_ARMS = len(BASELINES) + len(WITH_SAMPLES) + 1
# Until something was measured, so much of the whole time is kept for a whole evaluation, and so little for a trial's.
_UNMEASURED_SHARE, _UNMEASURED_TRIAL_SHARE = 0.3, 0.02
# A machine is not always as fast.
_MARGIN = 1.25
# Finding a filter or a smaller model takes a dozen probes, about half of those of a whole evaluation.
_REFINING_SHARE = 0.5
# Policies are cheap to try, and not what the time is for.
_POLICIES_SHARE = 0.25
# A shorter training makes nothing that is worth a measurement.
_LEAST_TRAINING_SHARE, _LEAST_TRAINING_S = 0.02, 20.0
_GENERATORS_SHARE = 0.6


@dataclasses.dataclass(frozen=True)
class Measured:
    """How long an evaluation took.

    Attributes:
        probe_batches: batches that all of its probes learned from.
        seconds: time that it took.
    """

    probe_batches: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Pace:
    """How long evaluations take.

    Attributes:
        around_s: what is not probes.
        batch_s: a batch of a probe.
    """

    around_s: float
    batch_s: float

    def seconds(self, probe_batches: int) -> float:
        """Returns how long an evaluation takes."""
        return self.around_s + probe_batches * self.batch_s


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a loop may use, and what measuring takes.

    Attributes:
        total_s: time for all of it.
        training_s: time for one training; 0 means what is left for it.
        whole_batches: batches of the probes of a whole evaluation.
        trial_batches: of the probe of a trial.
        refines: whether there is anything to be found out about a generator before it is measured again.
    """

    total_s: float
    training_s: float
    whole_batches: int
    trial_batches: int
    refines: bool

    def whole_s(self, measured: Sequence[Measured]) -> float:
        """Returns the time to be kept for a whole evaluation."""
        pace = fit(measured)
        return _MARGIN * pace.seconds(self.whole_batches) if pace else _UNMEASURED_SHARE * self.total_s

    def trial_s(self, measured: Sequence[Measured]) -> float:
        """Returns the time that measuring in a trial takes."""
        pace = fit(measured)
        return pace.seconds(self.trial_batches) if pace else _UNMEASURED_TRIAL_SHARE * self.total_s

    def refining_s(self, measured: Sequence[Measured]) -> float:
        """Returns the time that it takes to find a filter for a generator, or to make it smaller."""
        return _REFINING_SHARE * self.whole_s(measured) if self.refines else 0.0

    @property
    def least_training_s(self) -> float:
        """The shortest training that is worth it."""
        return self.training_s or min(_LEAST_TRAINING_S, _LEAST_TRAINING_SHARE * self.total_s)


@dataclasses.dataclass(frozen=True)
class Allotment:
    """What a round does.

    Attributes:
        generators: trials of generators.
        training_s: time for each of their trainings.
        mixes: trials of what can be done with the best.
        left_out: trials that there is no time for.
    """

    generators: int
    training_s: float
    mixes: int
    left_out: int = 0


def count_whole_batches(seeds: int, probe_steps: int) -> int:
    """Returns the batches of all probes of a whole evaluation."""
    return _ALL_ARMS * seeds * probe_steps


def fit(measured: Sequence[Measured]) -> Pace | None:
    """Returns the pace that explains some measurements best, by least squares; None without any.

    Where all had the same number of batches, all of the time is put down to them, which never promises too much.
    """
    if not measured:
        return None
    batches = [float(each.probe_batches) for each in measured]
    seconds = [each.seconds for each in measured]
    if len(set(batches)) > 1:
        slope, intercept = statistics.linear_regression(batches, seconds)
        if slope > 0 and intercept >= 0:
            return Pace(intercept, slope)
    return Pace(0.0, sum(seconds) / sum(batches))


def policies_fit(limits: Limits, spent_s: float, measured: Sequence[Measured]) -> bool:
    """Tells whether there is time to try one more policy."""
    return spent_s + limits.trial_s(measured) <= _POLICIES_SHARE * limits.total_s


def split_trials(trials: int, rounds_left: int) -> tuple[int, int]:
    """Returns how many trials of generators, and of mixes, a round has.

    Args:
        trials: that are left for all rounds.
        rounds_left: this one among them.
    """
    here = max(1, -(-trials // rounds_left))
    generators = min(here, max(1, round(_GENERATORS_SHARE * here)))
    return generators, here - generators


def allot(limits: Limits, spent_s: float, measured: Sequence[Measured], trials: int, rounds_left: int) -> Allotment:
    """Divides the time that is left for a round between its trials; one generator there is always time for.

    Fewer trials are made where trainings would become too short to mean something: first of mixes, then of generators.

    Args:
        limits: what the loop may use.
        spent_s: time spent so far.
        measured: evaluations so far.
        trials: that are left for all rounds.
        rounds_left: this one among them.
    """
    whole_s, trial_s = limits.whole_s(measured), limits.trial_s(measured)
    generators, mixes = wanted = split_trials(trials, rounds_left)
    left_s = limits.total_s - spent_s
    here_s = left_s / rounds_left - whole_s
    if here_s < limits.least_training_s + trial_s:
        # Rather one good round than several poor ones.
        here_s = left_s - whole_s
    refining_s = limits.refining_s(measured)

    def training_s() -> float:
        mixing_s = mixes * trial_s + (refining_s if mixes else 0.0)
        return (here_s - mixing_s) / generators - trial_s

    while training_s() < limits.least_training_s and mixes:
        mixes -= 1
    while training_s() < limits.least_training_s and generators > 1:
        generators -= 1
    longest_s = limits.training_s or max(limits.least_training_s, training_s())
    return Allotment(generators, longest_s, mixes, sum(wanted) - generators - mixes)


def trial_fits(limits: Limits, spent_s: float, measured: Sequence[Measured], needed_s: float) -> bool:
    """Tells whether there is time for a trial, besides what is kept for a whole evaluation.

    Args:
        needed_s: time that the trial takes beside being measured.
    """
    kept_s = limits.whole_s(measured)
    return spent_s + needed_s + limits.trial_s(measured) + kept_s <= limits.total_s


def round_fits(limits: Limits, spent_s: float, measured: Sequence[Measured]) -> bool:
    """Tells whether there is time for another round of the least that a round is."""
    return trial_fits(limits, spent_s, measured, limits.least_training_s)


def whole_fits(limits: Limits, spent_s: float, measured: Sequence[Measured]) -> bool:
    """Tells whether there is time for a whole evaluation."""
    return spent_s + limits.whole_s(measured) <= limits.total_s
