"""Policy messages to the mappings that policies are otherwise written as, and back.

A mapping is what a YAML file says, and fields of errors are paths in it: the same, however the policy was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf import struct_pb2

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.structs import from_struct, to_struct
from synthmill.v1 import policy_pb2 as pb

ROOT = "policy"

_STEPS = "steps"
_PROBABILITY = "probability"
_OPTIONS = {"one_of": ("weights",), "some_of": ("count",), "repeat": ("times",), "sequence": ()}
_GROUPS = tuple(_OPTIONS)
# What an int32 holds.
_INTEGERS = 1 << 31


def to_mapping(policy: pb.Policy) -> dict[str, Any]:
    """Returns what a message says as a mapping.

    Raises:
        InvalidField: a step says nothing, or a parameter has a name that a step has itself.
    """
    settings = from_struct(policy.settings)
    if _STEPS in settings:
        raise InvalidField(f"{ROOT}.settings", _STEPS, "settings; steps have a field of their own")
    return {**settings, _STEPS: _to_steps(policy.steps, f"{ROOT}.{_STEPS}")}


def to_policy(mapping: Any) -> pb.Policy:
    """Makes the message of a policy; whether its operations and their parameters are allowed is for the kind to say.

    Args:
        mapping: as a YAML file says it.

    Raises:
        InvalidField: it is no policy; the field is the path of what is wrong.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidField(ROOT, mapping, "a mapping with steps")
    settings = {name: value for name, value in mapping.items() if name != _STEPS}
    steps = _from_steps(mapping.get(_STEPS, []), f"{ROOT}.{_STEPS}")
    return pb.Policy(steps=steps, settings=_struct(settings, f"{ROOT}."))


def to_step(mapping: Any, path: str = f"{ROOT}.{_STEPS}[0]") -> pb.PolicyStep:
    """Makes the message of one step; errors as `to_policy`."""
    heads = [name for name in ("op", *_GROUPS) if isinstance(mapping, Mapping) and name in mapping]
    if len(heads) != 1:
        raise InvalidField(path, mapping, f"a mapping with exactly one of op, {', '.join(_GROUPS)}")
    (head,) = heads
    rest = {name: value for name, value in mapping.items() if name != head}
    step = pb.PolicyStep()
    if _PROBABILITY in rest:
        step.probability = _number(rest.pop(_PROBABILITY), f"{path}.{_PROBABILITY}")
    if head == "op":
        if not isinstance(mapping[head], str):
            raise InvalidField(f"{path}.op", mapping[head], "the name of an operation")
        step.operation.name = mapping[head]
        step.operation.parameters.CopyFrom(_struct(rest, f"{path}."))
        return step
    group = getattr(step, head)
    # Present even if it is empty, so that the kind can say what is wrong with that.
    group.SetInParent()
    group.steps.extend(_from_steps(mapping[head], f"{path}.{head}"))
    _set_options(group, head, rest, path)
    return step


def _set_options(group: Any, head: str, rest: dict[str, Any], path: str) -> None:
    """Sets what a group says beside its steps."""
    for name in rest:
        if name not in _OPTIONS[head]:
            raise InvalidField(f"{path}.{name}", rest[name], "only " + ", ".join((*_OPTIONS[head], _PROBABILITY)))
    if head == "one_of" and rest.get("weights") is not None:
        weights = _list(rest["weights"], f"{path}.weights")
        group.weights.extend(_number(each, f"{path}.weights[{place}]") for place, each in enumerate(weights))
    elif head == "some_of":
        count = rest.get("count", 1)
        bounds = count if isinstance(count, list | tuple) else (count, count)
        if len(bounds) != 2:
            raise InvalidField(f"{path}.count", count, "an integer, or the least and the most")
        group.least, group.most = (_integer(bound, f"{path}.count") for bound in bounds)
    elif head == "repeat":
        group.times = _integer(rest.get("times", 2), f"{path}.times")


def _from_steps(given: Any, path: str) -> list[pb.PolicyStep]:
    return [to_step(step, f"{path}[{position}]") for position, step in enumerate(_list(given, path))]


def _list(given: Any, path: str) -> Sequence[Any]:
    if not isinstance(given, list | tuple):
        raise InvalidField(path, given, "a list")
    return given


def _struct(values: Mapping[Any, Any], prefix: str) -> struct_pb2.Struct:
    for name, value in values.items():
        if not isinstance(name, str):
            raise InvalidField(f"{prefix}{name}", value, "names that are text")
        try:
            to_struct({name: list(value) if isinstance(value, tuple) else value})
        except (TypeError, ValueError):
            raise InvalidField(f"{prefix}{name}", value, "a number, text, true or false, or a list of these") from None
    return to_struct({name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})


def _number(given: Any, path: str) -> float:
    try:
        if isinstance(given, bool):
            raise ValueError
        return float(given)
    except (TypeError, ValueError):
        raise InvalidField(path, given, "a number") from None


def _integer(given: Any, path: str) -> int:
    number = _number(given, path)
    if not (number.is_integer() and abs(number) < _INTEGERS):
        raise InvalidField(path, given, "an integer")
    return int(number)


def _to_steps(steps: Iterable[pb.PolicyStep], path: str) -> list[dict[str, Any]]:
    return [_from_step(step, f"{path}[{position}]") for position, step in enumerate(steps)]


def _from_step(step: pb.PolicyStep, path: str) -> dict[str, Any]:
    probability = {_PROBABILITY: step.probability} if step.HasField(_PROBABILITY) else {}
    return {**_from_content(step, path), **probability}


def _from_content(step: pb.PolicyStep, path: str) -> dict[str, Any]:
    which = step.WhichOneof("step")
    if which is None:
        raise InvalidField(path, "nothing", "one of operation, " + ", ".join(_GROUPS))
    content = getattr(step, which)
    if which == "operation":
        parameters = from_struct(content.parameters)
        for name in ("op", _PROBABILITY, *_GROUPS):
            if name in parameters:
                raise InvalidField(f"{path}.{name}", parameters[name], "a parameter of the operation")
        return {"op": content.name, **parameters}
    mapping: dict[str, Any] = {which: _to_steps(content.steps, f"{path}.{which}")}
    if which == "one_of" and content.weights:
        mapping["weights"] = list(content.weights)
    elif which == "some_of":
        mapping["count"] = [content.least, content.most]
    elif which == "repeat":
        mapping["times"] = content.times
    return mapping
