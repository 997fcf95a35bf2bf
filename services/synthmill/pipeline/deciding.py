"""What follows from what was measured: pure, in plain values and in sentences."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from synthmill.learning.evaluate.findings import Findings, Interval
from synthmill.pipeline.judging import BASELINES, WITH_SAMPLES, Judged
from synthmill.pipeline.plan import NONE, Decide
from synthmill.pipeline.record import Round, Stage, State, Trial
from synthmill.pipeline.spaces import COMPRESSION, DEFAULT_SHARE, EMPHASIS, FILTER, POLICY, SHARE

LIFT, COVERAGE = "lift", "coverage"

# Less than what is told as a tenth of a point is no lift.
_LEAST_LIFT = 0.0005

NO_GENERATOR = "No generator could be made and measured."


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A generator, and how it is used.

    Attributes:
        trial: number of the trial that has measured it.
        score: macro-F1 on validation records.
        model: version, refined.
        share: of samples among the records of a class.
        filtered: whether its samples are filtered.
        is_smaller: whether it was compressed.
        emphasis: how many times as many samples of a weak class there are.
        dataset: version that holds its samples; empty if they were not kept.
    """

    trial: int
    score: float
    model: str
    share: float = DEFAULT_SHARE
    filtered: bool = False
    is_smaller: bool = False
    emphasis: float = 1.0
    dataset: str = ""


def best_trial(trials: Iterable[Trial], stage: Stage) -> Trial | None:
    """Returns the trial of a stage with the highest score, the first of equals; None if none has a score."""
    scored = [trial for trial in trials if trial.stage is stage and trial.score is not None]
    return max(scored, key=lambda trial: trial.score, default=None)


def best_policy(trials: Iterable[Trial]) -> str:
    """Returns the policy of classic augmentation that was the best; empty if none was measured."""
    best = best_trial(trials, Stage.POLICIES)
    return best.values[POLICY] if best else ""


def candidates(trials: Iterable[Trial]) -> list[Candidate]:
    """Returns everything that has made samples whose worth was measured."""
    return [
        _candidate(trial)
        for trial in trials
        if trial.stage is not Stage.POLICIES and trial.state is State.COMPLETE and trial.score is not None
    ]


def choose(found: Sequence[Candidate], tolerance: float) -> Candidate | None:
    """Returns the best candidate: the one with the highest score, or a smaller one that loses little.

    Args:
        found: all of them.
        tolerance: macro-F1 that a smaller one may lose.
    """
    best = max(found, key=lambda each: each.score, default=None)
    if best is None or best.is_smaller:
        return best
    near = [each for each in found if each.is_smaller and each.score >= best.score - tolerance]
    return max(near, key=lambda each: each.score, default=best)


def count_samples(class_counts: dict[str, int], samples: int, weak: Iterable[str], emphasis: float) -> dict[str, int]:
    """Returns how many samples of each class are drawn.

    Args:
        class_counts: real training records of each class.
        samples: in all, weak classes not multiplied; 0 means for each class as many as the largest has real records.
        weak: names of weak classes.
        emphasis: how many times as many there are of these.
    """
    each = -(-samples // len(class_counts)) if samples else max(class_counts.values())
    return {label: round(each * (emphasis if label in set(weak) else 1.0)) for label in class_counts}


@dataclasses.dataclass(frozen=True)
class Merit:
    """What the best generator so far is worth.

    Attributes:
        best_arm: best way to train with samples.
        best_baseline: best way without.
        validation_lift: macro-F1 of the one less that of the other, on validation records.
        lift: the same on test records, with its interval over the seeds.
        macro_f1: of the best way with samples, on test records.
        baseline_macro_f1: of the best way without.
    """

    best_arm: str
    best_baseline: str
    validation_lift: float
    lift: Interval
    macro_f1: float
    baseline_macro_f1: float


def weigh(judged: Judged, findings: Findings) -> Merit:
    """Returns what a whole evaluation comes to."""
    ours, theirs = judged.best(WITH_SAMPLES), judged.best(BASELINES)
    measured = {figure.name: figure.measured for figure in findings.figures}
    mine, other = judged.arms[ours], judged.arms[theirs]
    difference = mine.macro_f1 - other.macro_f1
    lift = measured.get(LIFT, Interval(difference, difference, difference))
    return Merit(ours, theirs, mine.validation - other.validation, lift, mine.macro_f1, other.macro_f1)


def describe_merit(merit: Merit, judged: Judged) -> list[str]:
    """Says what the best generator so far is worth."""
    spread = ""
    if merit.lift.low < merit.lift.high:
        spread = f" (95 % interval {_points(merit.lift.low)} to {_points(merit.lift.high)})"
    sentences = [
        f"The best way to train with samples, {merit.best_arm}, reaches a macro-F1 of {merit.macro_f1:.3f} on test "
        f"records; the best without, {merit.best_baseline}, {merit.baseline_macro_f1:.3f}: a lift of "
        f"{_points(merit.lift.value)} points{spread}, and {_points(merit.validation_lift)} on validation records."
    ]
    if judged.passed:
        return [*sentences, "The gate is passed."]
    return [*sentences, f"The gate is not passed: {'; '.join(judged.missed)}."]


def hurts(found: Round) -> bool:
    """Tells whether samples hurt, beyond the spread over the seeds."""
    return bool(found.evaluation) and found.lift_high < 0


def why_end(rounds: Sequence[Round], plan: Decide, most_rounds: int) -> str:
    """Returns why there is no further round; empty if there is to be one.

    Args:
        rounds: so far, the last one just ended.
        plan: how much a round must bring.
        most_rounds: that there may be.
    """
    last = rounds[-1]
    measured = [each for each in rounds if each.evaluation]
    if not measured:
        return "No generator could be made and measured: there is nothing to go on from."
    if not last.evaluation:
        return "The round has found nothing that is better than before: there is no further one."
    if hurts(last):
        return "Samples hurt, beyond the spread over the seeds: there is no further round."
    if len(measured) > 1:
        before = max(each.validation_lift for each in measured[:-1])
        gain = last.validation_lift - before
        if gain < plan.least_gain:
            return (
                f"The lift on validation records has grown by {_points(gain)} points, and a further round asks for "
                f"{_points(plan.least_gain)}: there is none."
            )
    if len(rounds) >= most_rounds:
        return f"This was the last of {most_rounds} rounds." if most_rounds > 1 else "There was to be one round."
    return ""


def best_round(rounds: Iterable[Round]) -> Round | None:
    """Returns the round with the highest lift on validation records, the first of equals; None if none was measured."""
    return max((each for each in rounds if each.evaluation), key=lambda each: each.validation_lift, default=None)


def why_not_ship(found: Round | None, plan: Decide) -> str:
    """Returns why the model of a round is not shipped; empty if it is to be.

    Args:
        found: the best round; None if there is none.
        plan: what is asked of a lift.
    """
    if found is None:
        return "No generator could be made and measured"
    lift = f"a lift of {_points(found.lift)} points"
    if hurts(found):
        return f"Samples hurt here: {lift}, and below 0 beyond the spread over the seeds"
    if found.lift < _LEAST_LIFT:
        return f"Samples do not help here: {lift} over {found.best_baseline}, which needs no generator"
    if plan.beyond_spread and found.lift_low <= 0:
        return f"Samples do not help beyond the spread over the seeds: {lift}, which may as well be chance"
    if not found.passed:
        return f"Samples seem to help, with {lift}, but the gate is not passed"
    return ""


def why_ship(found: Round) -> str:
    """Returns why the model of a round is shipped."""
    sure = f"{'beyond' if found.lift_low > 0 else 'within'} the spread over the seeds"
    if found.lift_low == found.lift_high:
        sure = "by one seed, which cannot tell it from chance"
    lift = f"a lift of {_points(found.lift)} points over {found.best_baseline}, {sure}"
    return f"Samples help: {found.best_arm} reaches a macro-F1 of {found.macro_f1:.3f}, {lift}; the gate is passed."


def how_to_train(arm: str, dataset: str, augmented: str, policy: str) -> str:
    """Returns how the best way without samples is had, in a sentence.

    Args:
        arm: its name.
        dataset: version with the real records.
        augmented: version with augmented ones beside them; empty if there is none.
        policy: of classic augmentation.
    """
    if arm == "augmented":
        best = (
            f"Train on {dataset}: draw classes equally often, and change each record by {policy} whenever it is seen."
        )
        if not augmented:
            return best
        return f"{best} {augmented} is what comes near that: classes equally large, by records that were changed once."
    return {
        "real": f"Train on {dataset} as it is.",
        "oversampled": f"Train on {dataset}, and draw its classes equally often.",
        "class_weighted": f"Train on {dataset}, and let an error in a class count the more, the rarer the class is.",
        "smote": f"Train on {dataset} and points between neighbours of a class, until all are equally large (SMOTE).",
    }[arm]


def how_to_mix(found: Round, dataset: str) -> str:
    """Returns how samples are used, in a sentence."""
    changed = f", each changed by {found.policy} whenever it is seen" if found.best_arm == "everything" else ""
    return (
        f"Train on the real records and {found.synthetic_dataset}: draw classes equally often, and of each class "
        f"{found.synthetic_share:.0%} samples and the rest from {dataset}{changed}."
    )


def _candidate(trial: Trial) -> Candidate:
    values = trial.values
    return Candidate(
        trial=trial.number,
        score=trial.score,
        model=trial.model,
        share=values.get(SHARE, DEFAULT_SHARE),
        filtered=values.get(FILTER, False),
        is_smaller=values.get(COMPRESSION, NONE) != NONE,
        emphasis=values.get(EMPHASIS, 1.0),
        dataset=trial.dataset,
    )


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"
