"""What goes to stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from synthmill.runtime.structs import from_struct


def to_json(message: Message) -> dict[str, Any]:
    """Returns a message as JSON: every field by its name in the protos, enums by name without prefix, unset ones null.

    Unlike protobuf's own conversion, 64-bit integers are numbers.
    """
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def show(value: Any, as_json: bool, text: str) -> None:
    """Prints a result.

    Args:
        value: the result as JSON.
        as_json: whether to print that.
        text: the result for people.
    """
    print(json.dumps(_finite(value), ensure_ascii=False) if as_json else text, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Lays cells out in columns."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def pairs(values: Mapping[str, Any]) -> str:
    """Lays values out by name, without the empty ones."""
    shown = {name: value for name, value in values.items() if value not in ("", None, [], {})}
    width = max(map(len, shown), default=0)
    texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in shown.items()}
    return "\n".join(f"{name:<{width}}  {text}" for name, text in texts.items())


def enum_name(message: Message, field: str) -> str:
    """Returns the value of an enum field without its prefix: "SUCCEEDED"."""
    descriptor = message.DESCRIPTOR.fields_by_name[field]
    return _enum(descriptor, getattr(message, field))


def _field(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        convert = _converter(kind.fields_by_name["value"])
        return {str(key): convert(value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_converter(field)(item) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _converter(field)(value)


def _converter(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None:
        return _WELL_KNOWN.get(field.message_type.full_name, to_json)
    if field.enum_type is not None:
        return lambda number: _enum(field, number)
    return lambda value: value


def _enum(field: FieldDescriptor, number: int) -> str:
    values = field.enum_type.values_by_number
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return values[number].name.removeprefix(prefix) if number in values else str(number)


def _finite(value: Any) -> Any:
    """Replaces numbers that JSON does not have by their names."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def _from_struct(struct: Struct) -> dict[str, Any]:
    return _whole(from_struct(struct))


def _from_value(value: Value) -> Any:
    return _from_struct(Struct(fields={"value": value}))["value"]


def _whole(value: Any) -> Any:
    """Makes integers of whole numbers, which a Struct holds as floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value


_WELL_KNOWN: dict[str, Callable[[Any], Any]] = {
    "google.protobuf.Struct": _from_struct,
    "google.protobuf.Value": _from_value,
    "google.protobuf.Timestamp": lambda time: time.ToJsonString(),
}
