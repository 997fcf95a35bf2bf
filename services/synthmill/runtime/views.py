"""Messages read so that their arrays are views of the bytes received.

Protobuf copies a message when it parses it, and each bytes field once more when it is looked at. Where a message is
mostly such fields, the few others are read here by the rules of the wire format, and those are left where they are.
Whatever is not as Synthmill writes it raises UnexpectedError, and is for protobuf to read or to refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import Message

from synthmill.runtime.tensors import wire_dtype
from synthmill.v1 import tensor_pb2

VARINT, LENGTH_DELIMITED = 0, 2
# Longer ones are negative, or not what anybody writes.
_VARINT_BYTES, _LENGTH_BYTES = 9, 5

# Data so many times smaller than its message are copied, not viewed.
_SMALL = 16

Place = tuple[int, int]
"""Where the bytes of a field begin and end."""


class UnexpectedError(Exception):
    """A message is not as Synthmill writes it."""


UNREADABLE = (UnexpectedError, IndexError, KeyError, UnicodeDecodeError)
"""What reading a message raises that is not as Synthmill writes it."""


class TensorView(NamedTuple):
    """A `Tensor`; its data is a read-only view of the message, or a copy."""

    name: str
    data_type: int
    shape: tuple[int, ...]
    data: bytes | memoryview


def tags(message: type[Message], wire_types: Mapping[str, int]) -> dict[int, str]:
    """Returns names of fields by the byte that they begin with."""
    numbers = message.DESCRIPTOR.fields_by_name
    return {numbers[name].number << 3 | wire_type: name for name, wire_type in wire_types.items()}


def read_fields(message: bytes, place: Place, names: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    """Yields the fields of the message at a place: name, and a number or the place of the field's bytes.

    Args:
        names: as `tags` has them.
    """
    at, stop = place
    while at < stop:
        tag = message[at]
        if tag not in names:
            raise UnexpectedError
        if tag & 7 == VARINT:
            value, at = _read_varint(message, at + 1, _VARINT_BYTES)
        else:
            size, first = _read_varint(message, at + 1, _LENGTH_BYTES)
            at = first + size
            value = first, at
        if at > stop:
            raise UnexpectedError
        yield names[tag], value


def once(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Returns fields by name, of which none may come twice."""
    found: dict[str, Any] = {}
    for name, value in fields:
        if name in found:
            raise UnexpectedError
        found[name] = value
    return found


def gather(fields: Iterable[tuple[str, Any]], repeated: str) -> tuple[list[Any], dict[str, Any]]:
    """Returns the values of a field that may come any number of times, and the others as `once` does."""
    values: list[Any] = []
    others: list[tuple[str, Any]] = []
    for name, value in fields:
        if name == repeated:
            values.append(value)
        else:
            others.append((name, value))
    return values, once(others)


def least_viewed(message: bytes) -> int:
    """Returns how many bytes are so few of a message that whoever keeps them should not keep the message."""
    return -(-len(message) // _SMALL)


def read_text(message: bytes, place: Place | None) -> str:
    """Returns the text at a place, an empty one if there is none."""
    return message[slice(*place)].decode() if place else ""


def read_tensor(message: bytes, place: Place, least_bytes: int) -> TensorView:
    """Returns the `Tensor` at a place.

    Args:
        least_bytes: data of fewer bytes is copied, so that who keeps it does not keep the message.
    """
    fields = once(read_fields(message, place, _TENSOR))
    data_type = fields.get("data_type", 0)
    data = _read_data(message, fields.get("data", (0, 0)), data_type, least_bytes)
    return TensorView(read_text(message, fields.get("name")), data_type, _read_shape(message, fields), data)


def _read_data(message: bytes, place: Place, data_type: int, least_bytes: int) -> bytes | memoryview:
    start, stop = place
    dtype = wire_dtype(data_type)
    aligned = dtype is None or start % dtype.itemsize == 0
    if not aligned or stop - start < least_bytes:
        return message[start:stop]
    return memoryview(message)[start:stop]


def _read_shape(message: bytes, fields: Mapping[str, Any]) -> tuple[int, ...]:
    found, (at, stop) = [], fields.get("shape", (0, 0))
    while at < stop:
        extent, at = _read_varint(message, at, _VARINT_BYTES)
        found.append(extent)
    if at != stop:
        raise UnexpectedError
    return tuple(found)


def _read_varint(message: bytes, at: int, longest: int) -> tuple[int, int]:
    """Returns the number at a place, and the place after it."""
    value = message[at]
    if value < 0x80:
        return value, at + 1
    value = 0
    for place in range(longest):
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise UnexpectedError


_TENSOR = tags(
    tensor_pb2.Tensor,
    {"name": LENGTH_DELIMITED, "data_type": VARINT, "shape": LENGTH_DELIMITED, "data": LENGTH_DELIMITED},
)
