"""Label plans as text: which label each sample gets.

    3                            every sample has the label 3
    cat=100,dog=50               exactly so many of each class
    cat:0.3,dog:0.7              each sample draws its class, in these proportions
    balance:datasets/pets        what the classes of a dataset lack to be as large as its largest
    balance:datasets/pets=500    what they lack to be 500 each

A class name with one of , = : " in it is written as a JSON string: "n02:cat"=100.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from synthmill.client.messages import make
from synthmill.runtime.errors import InvalidField
from synthmill.v1.label_plan_pb2 import LabelBalance, LabelCounts, LabelPlan, LabelWeights

Number = TypeVar("Number", int, float)

FIELD = "labels"
_SYNTAX = "CLASS, CLASS=COUNT,..., CLASS:WEIGHT,..., or balance:datasets/NAME[=COUNT]"
_BALANCE = re.compile(r"balance:(datasets/[^=]+)(?:=(.*))?")
_PART = re.compile(r'("(?:[^"\\]|\\.)*"|[^,=:"]+)(?:([=:])([^,=:"]*))?(,|$)')


def one_label(label: str) -> LabelPlan:
    """Every sample has the same class."""
    return LabelPlan(label=label)


def label_counts(counts: Mapping[str, int]) -> LabelPlan:
    """Exact numbers by class name."""
    return LabelPlan(counts=make(LabelCounts, counts=counts))


def label_weights(weights: Mapping[str, float]) -> LabelPlan:
    """Proportions by class name."""
    return LabelPlan(weights=make(LabelWeights, weights=weights))


def balance(dataset: str, target_count: int = 0) -> LabelPlan:
    """What the classes of a dataset lack to be of one size; zero means that of the largest."""
    return LabelPlan(balance=make(LabelBalance, dataset=dataset, target_count=target_count))


def parse_labels(text: str) -> LabelPlan:
    """Reads a label plan; class names and numbers are the service's to judge.

    Raises:
        InvalidField: the text is no label plan.
    """
    if found := _BALANCE.fullmatch(text):
        return balance(found[1], _number(text, found[2], int) if found[2] is not None else 0)
    parts = _split(text)
    signs = {sign for _, sign, _ in parts}
    if signs == {""} and len(parts) == 1:
        return one_label(parts[0][0])
    names = [name for name, _, _ in parts]
    if len(signs) > 1 or "" in signs or len(set(names)) < len(names):
        raise InvalidField(FIELD, text, _SYNTAX + "; each class once")
    if signs == {"="}:
        return label_counts({name: _number(text, value, int) for name, _, value in parts})
    return label_weights({name: _number(text, value, float) for name, _, value in parts})


def format_labels(plan: LabelPlan) -> str:
    """Inverse of `parse_labels`; empty for a plan that says nothing."""
    match plan.WhichOneof("plan"):
        case "label":
            return _quote(plan.label)
        case "counts":
            return _join(plan.counts.counts, "=", str)
        case "weights":
            return _join(plan.weights.weights, ":", repr)
        case "balance":
            target = plan.balance.target_count
            return f"balance:{plan.balance.dataset}" + (f"={target}" if target else "")
    return ""


def to_label_plan(labels: str | LabelPlan | None) -> LabelPlan | None:
    """Returns the plan that a user means, who may give text."""
    return parse_labels(labels) if isinstance(labels, str) else labels


def _split(text: str) -> list[tuple[str, str, str]]:
    parts, position = [], 0
    while position < len(text) or not parts:
        found = _PART.match(text, position)
        if found is None or (found[4] and found.end() == len(text)):
            raise InvalidField(FIELD, text, _SYNTAX)
        parts.append((_unquote(text, found[1]), found[2] or "", found[3] or ""))
        position = found.end()
    return parts


def _unquote(text: str, name: str) -> str:
    if not name.startswith('"'):
        return name.strip()
    try:
        return json.loads(name)
    except ValueError:
        raise InvalidField(FIELD, text, _SYNTAX + "; a quoted class is a JSON string") from None


def _quote(name: str) -> str:
    plain = name and name == name.strip() and not re.search('[,=:"]', name)
    return name if plain else json.dumps(name, ensure_ascii=False)


def _join(values: Mapping[str, Number], sign: str, write: Callable[[Number], str]) -> str:
    return ",".join(f"{_quote(name)}{sign}{write(values[name])}" for name in sorted(values))


def _number(text: str, value: str, number: Callable[[str], Number]) -> Number:
    try:
        return number(value)
    except ValueError:
        allowed = "an integer after =" if number is int else "a number after :"
        raise InvalidField(FIELD, text, f"{_SYNTAX}; {allowed}") from None
