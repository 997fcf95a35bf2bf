"""Plans of loops as users give them: a mapping, a YAML file, a message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from synthmill.client.messages import full_name, make
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.structs import to_struct
from synthmill.v1 import loop_plan_pb2

PlanSource = Mapping[str, Any] | str | Path | loop_plan_pb2.LoopPlan
"""What a loop is to do: as a mapping, in a YAML file, or as a message."""

_ROOT = "plan"


def to_plan(source: PlanSource) -> loop_plan_pb2.LoopPlan:
    """Makes the message of a plan.

    "datasets/" may be left out, and so may the list around a single value. Values of a hyper-parameter that are no
    mapping are choices: `width: [24, 32]`.

    Raises:
        InvalidField: a field is unknown, or its value does not fit; the field is its path: "budget.trials".
    """
    if isinstance(source, loop_plan_pb2.LoopPlan):
        return source
    plan = _to_message(loop_plan_pb2.LoopPlan, plan_mapping(source), "")
    if plan.dataset:
        plan.dataset = full_name("datasets", plan.dataset)
    return plan


def plan_mapping(source: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Returns what a plan says, as it is written.

    Raises:
        InvalidField: it cannot be read, or is no mapping.
    """
    # The SDK is imported by many programs that never read one.
    import yaml

    given: Any = source
    if isinstance(source, str | Path):
        try:
            given = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InvalidField(_ROOT, str(source), f"a readable YAML file ({error})") from None
    if not isinstance(given, Mapping):
        raise InvalidField(_ROOT, given, "a mapping with a dataset, or a source and its kind")
    return dict(given)


def in_order(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a resolved plan with its fields in the order of `LoopPlan`: a job's parameters have none."""
    return _in_order(plan, loop_plan_pb2.LoopPlan.DESCRIPTOR)


def _in_order(value: Any, of: Descriptor | None) -> Any:
    if not isinstance(value, Mapping):
        return value
    if of is None or of.full_name.startswith("google."):
        return dict(sorted(value.items()))
    if of.GetOptions().map_entry:
        return {name: _in_order(item, of.fields_by_name["value"].message_type) for name, item in sorted(value.items())}
    known = [field for field in of.fields if field.name in value]
    return {field.name: _in_order(value[field.name], field.message_type) for field in known}


def _to_message(message_class: type[Message], given: Any, path: str) -> Message:
    if message_class is loop_plan_pb2.LoopRange and not isinstance(given, Mapping):
        given = {"choices": given}
    if not isinstance(given, Mapping):
        raise InvalidField(path, given, "a mapping")
    fields = message_class.DESCRIPTOR.fields_by_name
    values = {}
    for name, value in given.items():
        where = f"{path}.{name}" if path else str(name)
        if name not in fields:
            raise InvalidField(where, value, "only " + ", ".join(fields))
        if value is not None:
            values[name] = _to_field(fields[name], value, where)
    return message_class(**values)


def _to_field(field: FieldDescriptor, value: Any, path: str) -> Any:
    entry = field.message_type if field.message_type and field.message_type.GetOptions().map_entry else None
    if entry is not None:
        if not isinstance(value, Mapping):
            raise InvalidField(path, value, "a mapping")
        of = entry.fields_by_name["value"]
        return {str(name): _to_value(of, item, f"{path}.{name}") for name, item in value.items()}
    if field.is_repeated:
        items = value if isinstance(value, list | tuple) else [value]
        return [_to_value(field, item, f"{path}[{number}]") for number, item in enumerate(items)]
    return _to_value(field, value, path)


def _to_value(field: FieldDescriptor, value: Any, path: str) -> Any:
    kind = field.message_type
    if kind is None:
        return _to_scalar(field, value, path)
    try:
        if kind.full_name == "google.protobuf.Struct":
            return to_struct(value)
        if kind.full_name == "google.protobuf.Value":
            return json_format.ParseDict(value, struct_pb2.Value())
    except (json_format.ParseError, AttributeError, TypeError, ValueError):
        raise InvalidField(path, value, "what JSON has") from None
    # A family without a word on it, `vae:`, is one.
    return _to_message(GetMessageClass(kind), {} if value is None else value, path)


def _to_scalar(field: FieldDescriptor, value: Any, path: str) -> Any:
    # To protobuf, true is a 1.
    is_switch = field.type == FieldDescriptor.TYPE_BOOL
    if isinstance(value, bool) != is_switch:
        raise InvalidField(path, value, "true or false" if is_switch else "a number or text")
    try:
        make(GetMessageClass(field.containing_type), **{field.name: [value] if field.is_repeated else value})
    except InvalidField as error:
        raise InvalidField(path, value, error.metadata["allowed"]) from None
    return value
