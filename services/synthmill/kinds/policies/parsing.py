"""Policies from untrusted mappings, and back.

In YAML:

    border: reflect
    steps:
      - {op: horizontal_flip, probability: 0.5}
      - {op: rotate, degrees: [-15, 15]}
      - {one_of: [{op: gaussian_blur}, {op: sharpen}], weights: [3, 1], probability: 0.3}
      - {some_of: [{op: invert}, {op: grey}, {op: equalise}], count: [1, 2]}
      - {repeat: [{op: erase}], times: 2}
      - {sequence: [{op: downscale}, {op: jpeg}], probability: 0.2}

A step is an operation or one of the four groups. Beside its own parameters each has `probability`, 1 unless given. What
else the policy says is settings of the kind.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from synthmill.kinds.parameters import parse
from synthmill.kinds.policies.tree import MAX_DRAWS, MAX_NODES, Apply, Group, Node, OneOf, SomeOf, walk
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.structs import from_struct, to_struct

_ROOT = "policy"
_GROUPS = {"one_of": ("weights",), "some_of": ("count",), "repeat": ("times",), "sequence": ()}
_MAX_DEPTH = 16
_SUM_TOLERANCE = 1e-9


class Described(Protocol):
    """What must be known of an operation; its first line of documentation is what users are told.

    Attributes:
        group: what sort of operation it is, in a word.
        parameters: frozen dataclass of `parameter()` fields.
        draws: numbers that it draws for each record.
        partners: records that it mixes a record with.
    """

    group: str
    parameters: type
    draws: int
    partners: int


@dataclasses.dataclass(frozen=True)
class Policy:
    """A policy that was checked.

    Attributes:
        nodes: its steps.
        settings: of the kind, validated.
        resolved: the policy with every default written out, as JSON; parsing it gives the same policy.
    """

    nodes: tuple[Node, ...]
    settings: Any
    resolved: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Its digest; see `policy_digest`."""
        return policy_digest(self.resolved)


def policy_digest(resolved: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of what a policy does, 64 hex digits.

    It is the same of the policy that was parsed and of its message, so that who has no operations can check it.

    Args:
        resolved: the policy with every default written out, as JSON.

    Raises:
        ValueError: a number is not finite.
    """
    # A message knows floats alone.
    carried = from_struct(to_struct(resolved))
    text = json.dumps(carried, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_policy(given: Any, operations: Mapping[str, Described], settings: type) -> Policy:
    """Checks a policy and fills in its defaults.

    Args:
        given: the policy as it was read.
        operations: by name.
        settings: frozen dataclass of `parameter()` fields: what the policy may say beside its steps.

    Raises:
        InvalidField: something is missing, unknown or not allowed; the field is its path in the policy.
    """
    if not isinstance(given, Mapping):
        raise InvalidField(_ROOT, given, "a mapping with steps")
    return _Parser(operations).policy(given, settings)


class _Parser:
    def __init__(self, operations: Mapping[str, Described]) -> None:
        self._operations = operations
        self._numbers: Iterator[int] = itertools.count()

    def policy(self, given: Mapping[str, Any], settings: type) -> Policy:
        rest = {name: value for name, value in given.items() if name != "steps"}
        checked = parse(settings, rest, _ROOT)
        nodes, steps = self._steps(given.get("steps", []), f"{_ROOT}.steps", 0)
        return Policy(nodes, checked, {**_as_json(checked), "steps": steps})

    def _steps(self, given: Any, path: str, depth: int) -> tuple[tuple[Node, ...], list[dict[str, Any]]]:
        if not isinstance(given, list | tuple):
            raise InvalidField(path, given, "a list of steps")
        if depth > _MAX_DEPTH:
            raise InvalidField(path, "a group", f"at most {_MAX_DEPTH} groups within each other")
        parsed = [self._step(step, f"{path}[{position}]", depth) for position, step in enumerate(given)]
        return tuple(node for node, _ in parsed), [resolved for _, resolved in parsed]

    def _step(self, given: Any, path: str, depth: int) -> tuple[Node, dict[str, Any]]:
        heads = [name for name in ("op", *_GROUPS) if isinstance(given, Mapping) and name in given]
        if len(heads) != 1:
            raise InvalidField(path, given, f"a mapping with exactly one of op, {', '.join(_GROUPS)}")
        number = next(self._numbers)
        if number >= MAX_NODES:
            raise InvalidField(path, "a step", f"at most {MAX_NODES} steps, those that are repeated counted each time")
        (head,) = heads
        probability = _number(given.get("probability", 1.0), f"{path}.probability", 0, 1)
        rest = {name: value for name, value in given.items() if name not in (head, "probability")}
        if head == "op":
            node, resolved = self._operation(given[head], rest, path, number, probability)
        else:
            node, resolved = self._group(head, given[head], rest, path, number, probability, depth)
        return node, {**resolved, "probability": probability}

    def _operation(
        self, name: Any, rest: Mapping[str, Any], path: str, number: int, probability: float
    ) -> tuple[Node, dict[str, Any]]:
        if not isinstance(name, str) or name not in self._operations:
            raise InvalidField(f"{path}.op", name, "one of " + ", ".join(sorted(self._operations)))
        operation = self._operations[name]
        if operation.draws >= MAX_DRAWS:
            raise ValueError(f"{name} draws more than {MAX_DRAWS - 1} numbers")
        parameters = parse(operation.parameters, rest, path)
        node = Apply(path, number, probability, name, parameters, operation.draws)
        return node, {"op": name, **_as_json(parameters)}

    def _group(
        self,
        head: str,
        given: Any,
        rest: Mapping[str, Any],
        path: str,
        number: int,
        probability: float,
        depth: int,
    ) -> tuple[Node, dict[str, Any]]:
        for name in rest:
            if name not in _GROUPS[head]:
                raise InvalidField(f"{path}.{name}", rest[name], "only " + ", ".join((*_GROUPS[head], "probability")))
        below = f"{path}.{head}"
        if head == "repeat":
            times = _integer(rest.get("times", 2), f"{path}.times", 1, MAX_NODES)
            copies = [self._steps(given, below, depth + 1) for _ in range(times)]
            node = Group(path, number, probability, tuple(node for nodes, _ in copies for node in nodes))
            return node, {head: copies[0][1], "times": times}
        nodes, steps = self._steps(given, below, depth + 1)
        if head == "sequence":
            return Group(path, number, probability, nodes), {head: steps}
        if not 1 <= len(nodes) <= MAX_DRAWS - 2:
            raise InvalidField(below, f"{len(nodes)} steps", f"1 to {MAX_DRAWS - 2} steps")
        if head == "one_of":
            weights = _weights(rest.get("weights"), f"{path}.weights", len(nodes))
            return OneOf(path, number, probability, nodes, weights), {head: steps, "weights": list(weights)}
        least, most = _count(rest.get("count", 1), f"{path}.count", len(nodes))
        return SomeOf(path, number, probability, nodes, least, most), {head: steps, "count": [least, most]}


def operations_of(nodes: tuple[Node, ...]) -> Iterator[Apply]:
    """Yields the operations of a policy in their order."""
    return (node for node in walk(nodes) if isinstance(node, Apply))


def _as_json(parameters: Any) -> dict[str, Any]:
    values = dataclasses.asdict(parameters)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _weights(given: Any, path: str, count: int) -> tuple[float, ...]:
    if given is None:
        return (1 / count,) * count
    if not isinstance(given, list | tuple) or len(given) != count:
        raise InvalidField(path, given, f"{count} numbers, one for each step")
    weights = [_number(weight, f"{path}[{position}]", 0, 1e9) for position, weight in enumerate(given)]
    total = math.fsum(weights)
    if not total:
        raise InvalidField(path, given, "a weight above 0")
    # What was divided once is not divided again: a resolved policy must resolve to itself, to the last bit.
    return tuple(weights) if abs(total - 1) < _SUM_TOLERANCE else tuple(weight / total for weight in weights)


def _count(given: Any, path: str, most: int) -> tuple[int, int]:
    bounds = given if isinstance(given, list | tuple) else (given, given)
    if len(bounds) != 2:
        raise InvalidField(path, given, "an integer, or the least and the most")
    low, high = (_integer(bound, path, 0, most) for bound in bounds)
    if low > high:
        raise InvalidField(path, given, "the least first, then the most")
    return low, high


def _number(given: Any, path: str, low: float, high: float) -> float:
    allowed = f"a number from {low} to {high:g}"
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise InvalidField(path, given, allowed)
    try:
        number = float(given)
    except (ValueError, OverflowError):
        raise InvalidField(path, given, allowed) from None
    if not (math.isfinite(number) and low <= number <= high):
        raise InvalidField(path, given, allowed)
    return number


def _integer(given: Any, path: str, low: int, high: int) -> int:
    number = _number(given, path, low, high)
    if not number.is_integer():
        raise InvalidField(path, given, f"an integer from {low} to {high}")
    return int(number)
