"""What trials choose from, stage by stage; pure."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from synthmill.pipeline.plan import NONE, Plan
from synthmill.pipeline.ranges import Range, Value

POLICY, FAMILY, AUGMENTED_FIRST = "policy", "family", "augmented_first"
SHARE, FILTER, COMPRESSION, EMPHASIS = "share", "filter", "compression", "emphasis"

DEFAULT_SHARE = 0.5
"""Of samples among the records of a class: what a generator is judged by before shares are tried."""


@dataclasses.dataclass(frozen=True)
class Dimension:
    """One thing to choose.

    Attributes:
        name: of it.
        tried: values of it.
        first: value of the first trial.
        integer: whether the values of a range are whole numbers.
        only_if: another dimension, chosen before, and the value of it with which this one matters; None for always.
    """

    name: str
    tried: Range
    first: Value
    integer: bool = False
    only_if: tuple[str, Value] | None = None

    def matters(self, chosen: Mapping[str, Value]) -> bool:
        """Tells whether it is to be chosen, after what has been chosen before."""
        return self.only_if is None or chosen.get(self.only_if[0]) == self.only_if[1]


Space = Sequence[Dimension]


def first_of(space: Space) -> dict[str, Value]:
    """Returns what the first trial tries."""
    chosen: dict[str, Value] = {}
    for dimension in space:
        if dimension.matters(chosen):
            chosen[dimension.name] = dimension.first
    return chosen


def combinations(space: Space) -> list[dict[str, Value]] | None:
    """Returns everything that can be tried, in order; None if there is no end to it."""
    if not all(dimension.tried.choices or dimension.tried.low == dimension.tried.high for dimension in space):
        return None
    found: list[dict[str, Value]] = []
    for values in itertools.product(*(dimension.tried.choices or (dimension.tried.low,) for dimension in space)):
        chosen: dict[str, Value] = {}
        for dimension, value in zip(space, values, strict=True):
            if dimension.matters(chosen):
                chosen[dimension.name] = value
        if chosen not in found:
            found.append(chosen)
    return found


def policy_space(plan: Plan) -> Space:
    """Returns the policies of classic augmentation; one without a name where there are none."""
    policies = plan.augment.tried or ("",)
    return [_choice(POLICY, policies)]


def generator_space(plan: Plan, family: str, defaults: Mapping[str, Mapping[str, Any]]) -> Space:
    """Returns families and their hyper-parameters.

    Args:
        plan: says what is tried.
        family: to begin with, if it is among them.
        defaults: hyper-parameters by name that training would choose, by family.
    """
    families = sorted(defaults, key=lambda name: name != family)
    space = [_choice(FAMILY, families)]
    for name in families:
        for parameter, tried in plan.train.families[name].items():
            default = defaults[name][parameter]
            integer = isinstance(default, int) and not isinstance(default, bool)
            # Only numbers have multiples, which is checked when a plan is.
            found = tried.times(default, integer=integer) if tried.relative else tried
            only_if = (FAMILY, name)
            space.append(Dimension(f"{name}.{parameter}", found, _middle(found, default, integer), integer, only_if))
    if len(plan.augment.before_training) > 1:
        space.append(_choice(AUGMENTED_FIRST, plan.augment.before_training))
    return space


def mix_space(plan: Plan, *, weak: bool) -> Space:
    """Returns what can be tried with a generator that is there.

    Its own trial has had the default share and nothing else: the first of these has a filter, if there is one to try.

    Args:
        plan: says what is tried.
        weak: whether there are weak classes to have more samples of.
    """
    share = plan.mint.share
    space = [Dimension(SHARE, share, _middle(share, DEFAULT_SHARE, integer=False))]
    filters, compressions = plan.refine.filter, plan.refine.compression
    space.append(Dimension(FILTER, Range(choices=filters), first=True in filters))
    space.append(Dimension(COMPRESSION, Range(choices=compressions), NONE if NONE in compressions else compressions[0]))
    if weak:
        space.append(_choice(EMPHASIS, plan.mint.emphasis))
    return space


def _choice(name: str, choices: Sequence[Value]) -> Dimension:
    return Dimension(name, Range(choices=tuple(choices)), choices[0])


def _middle(tried: Range, default: Any, integer: bool) -> Value:
    """Returns what is tried first: the first choice, or of a range the default if it holds it, else its middle."""
    if tried.choices:
        return tried.choices[0]
    if not isinstance(default, bool | str) and tried.low <= default <= tried.high:
        return default
    middle = math.sqrt(tried.low * tried.high) if tried.log else (tried.low + tried.high) / 2
    return round(middle) if integer else middle
