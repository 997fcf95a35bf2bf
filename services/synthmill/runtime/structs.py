"""JSON values to Struct messages and back; unlike protobuf's own conversion, a number that is not finite survives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Makes a Struct of JSON values."""
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Returns a Struct as JSON values; numbers are floats, finite or not."""
    return {name: _from_value(value) for name, value in struct.fields.items()}


def with_integers(value: Any) -> Any:
    """Makes integers of whole numbers in JSON values: a Struct knows floats alone."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: with_integers(item) for name, item in value.items()}
    return [with_integers(item) for item in value] if isinstance(value, list) else value


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
