"""What an evaluation comes to, in words, written from what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from synthmill.learning.evaluate.findings import Arm, Condition, Figure, Interval
from synthmill.learning.evaluate.utility import Choice

_NAMED = 3
# Where samples alone teach less than half of what real records do about a class, they fail to teach it.
_FAILED = 0.5
_COPYING = {
    "near_copy_share": "{} of the samples are near copies of training records, as {} of real ones would be",
    "membership_tpr_1": "an attack finds {} of the training records, and {} without samples",
}


def put_into_words(
    figures: Sequence[Figure],
    arms: Sequence[Arm],
    choice: Choice | None,
    conditions: Sequence[Condition],
    labels: Sequence[str],
) -> list[str]:
    """Returns what was found as plain sentences.

    Args:
        figures: that were measured.
        arms: that were compared; none without classes.
        choice: of the best of them; None without classes.
        conditions: of the gate.
        labels: class names.
    """
    measured = {figure.name: figure for figure in figures}
    sentences = []
    if choice is not None:
        by_name = {arm.name: arm for arm in arms}
        ours, theirs = by_name[choice.synthetic], by_name[choice.baseline]
        sentences += _help(measured["lift"].measured, ours, theirs, choice)
        sentences += _changes(ours, theirs)
        sentences += _alone(measured["tstr"].measured, by_name["synthetic"], by_name["real"])
        sentences += _untested(ours, labels)
    sentences += _copies(measured, conditions)
    return [*sentences, _gate(conditions)]


def put_trial_into_words(arms: Sequence[Arm], labels: Sequence[str]) -> list[str]:
    """Returns what was found where only some arms were tried.

    Args:
        arms: that were tried, at least one.
        labels: class names.
    """
    best = max(arms, key=lambda arm: (arm.validation_macro_f1 or arm.macro_f1).value)
    told = _enumerate([f"{arm.title!r} {arm.macro_f1.value:.3f}" for arm in arms])
    sentences = [f"Only arms were tried; macro-F1 on test records: {told}."]
    if len(arms) > 1:
        split = "validation" if best.validation_macro_f1 else "test"
        sentences.append(f"{best.title!r} is the best of them on {split} records.")
    unmeasured = "The gate refuses it, as an evaluation of arms alone says nothing of the samples themselves."
    return [*sentences, *_untested(best, labels), unmeasured]


def _help(lift: Interval, ours: Arm, theirs: Arm, choice: Choice) -> list[str]:
    """Returns whether samples help, beside which baseline, by how much."""
    seeds = len(ours.runs)
    spread = f"95 % interval {_points(lift.low)} to {_points(lift.high)}, {seeds} seeds" if seeds > 1 else "one seed"
    gained = f"{_points(lift.value)} points of macro-F1 ({spread})"
    sentences = [
        f"The best way to train with samples, {ours.title!r}, reaches a macro-F1 of {ours.macro_f1.value:.3f}; "
        f"the best without, {theirs.title!r}, {theirs.macro_f1.value:.3f}."
    ]
    if seeds < 2:
        sentences.insert(0, f"One seed cannot tell a difference from chance: {gained}.")
    elif lift.low > 0:
        sentences.insert(0, f"Synthetic data helps: {gained}.")
    elif lift.high < 0:
        sentences.insert(0, f"Synthetic data hurts: {gained}.")
        sentences.append(f"The best baseline is {theirs.title!r}: ship that.")
    else:
        sentences.insert(0, f"Synthetic data makes no difference beyond the spread over the seeds: {gained}.")
        sentences.append(f"{theirs.title!r} does without a generator.")
    if choice.split == "test":
        sentences.append("Both were chosen by the records that they are tested on, which flatters both.")
    return sentences


def _changes(ours: Arm, theirs: Arm) -> list[str]:
    """Returns the classes whose recall changes beyond the spread over the seeds, those that change most first."""
    if len(ours.runs) < 2:
        return []
    gains = {name: ours.recall[name].value - theirs.recall[name].value for name in ours.recall}
    sure = [
        name
        for name, gain in gains.items()
        if abs(gain) > math.hypot(_reach(ours.recall[name]), _reach(theirs.recall[name]))
    ]
    sure.sort(key=lambda name: -abs(gains[name]))
    gained, lost = [name for name in sure if gains[name] > 0], [name for name in sure if gains[name] < 0]
    told = (("more", gained), ("less", lost))
    return [
        f"Recognised {how} often with samples: {_list(names, ours.recall, theirs.recall)}."
        for how, names in told
        if names
    ]


def _alone(tstr: Interval, samples: Arm, real: Arm) -> list[str]:
    """Returns what samples alone teach, and which classes they do not."""
    taught = f"Samples alone teach an accuracy of {_percent(tstr.value)}, real records {_percent(real.accuracy.value)}"
    missed = {name: real.recall[name].value - samples.recall[name].value for name in real.recall}
    failed = [name for name in missed if samples.recall[name].value < _FAILED * real.recall[name].value]
    failed.sort(key=lambda name: -missed[name])
    if not failed:
        return [f"{taught}."]
    return [f"{taught}; they fail to teach {_list(failed, samples.recall, real.recall)}."]


def _untested(arm: Arm, labels: Sequence[str]) -> list[str]:
    missing = [name for name in labels if name not in arm.recall]
    if not missing:
        return []
    return [f"Nothing is known about {_enumerate(_shorten(missing))}: the test records have none."]


def _list(names: Sequence[str], ours: Mapping[str, Interval], theirs: Mapping[str, Interval]) -> str:
    return _enumerate(
        _shorten(
            [f"{name} (recall {_percent(ours[name].value)}, not {_percent(theirs[name].value)})" for name in names]
        )
    )


def _copies(measured: Mapping[str, Figure], conditions: Sequence[Condition]) -> list[str]:
    """Returns whether copies are a concern: by the gate, and beside what real records show by chance."""
    found = [measured[name] for name in _COPYING if name in measured]
    if not found:
        return ["Whether samples are copies could not be measured."]
    said = "; ".join(
        _COPYING[figure.name].format(_percent(figure.measured.value), _percent(figure.real.value if figure.real else 0))
        for figure in found
    )
    failed = {condition.figure for condition in conditions if not condition.passed}
    bounded = {condition.figure for condition in conditions}
    beyond_chance = [each for each in found if each.real is None or each.measured.low > each.real.high]
    if any(figure.name in failed for figure in found) or any(figure.name not in bounded for figure in beyond_chance):
        return [f"Copies are a concern: {said}."]
    if beyond_chance:
        return [f"There are more copies than chance explains, though within the bounds of the gate: {said}."]
    return [f"Nothing points to copies: {said}."]


def _gate(conditions: Sequence[Condition]) -> str:
    if not conditions:
        return "The gate sets no conditions."
    failed = [condition.sentence for condition in conditions if not condition.passed]
    if failed:
        return f"The gate refuses, by {len(failed)} of its {len(conditions)} conditions: {'; '.join(failed)}."
    return f"The gate passes it: all of its {len(conditions)} conditions hold."


def _reach(interval: Interval) -> float:
    return interval.high - interval.value


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _shorten(parts: Sequence[str]) -> list[str]:
    return [*parts[:_NAMED], *([f"{len(parts) - _NAMED} more"] if len(parts) > _NAMED else [])]


def _enumerate(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
