"""Requests to any method: made from its descriptor, or a valid one changed in a few fields, or in its bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fuzz.methods import Method
from fuzz.values import json_values, scalars
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from support.damage import CHANGES, damaged

Draw = Any
Valid = Mapping[str, Sequence[Sequence[Message]]]
"""Valid requests by the path of their method, each as the messages of its stream, or as its one message."""

_MADE, _MUTATED, _DAMAGED = "made", "mutated", "damaged"
_MANNERS = (*[_MUTATED] * 5, *[_MADE] * 3, *[_DAMAGED] * 2)
_DEEPEST = 4
_MANY = 20_000
_MANY_BYTES = 200_000
_METADATA = (
    *[()] * 12,
    (("x-request-id", "r" * 4000),),
    (("x-request-id", ""), ("x-request-id", "twice")),
    (("authorization", "Bearer " + "t" * 3000),),
    (("traceparent", "00-zz-zz-zz"), ("tracestate", "=,=")),
    (("grpc-trace-bin", b"\xff\x00"),),
    (("user-agent", "x" * 200), ("content-language", "%")),
)
_PATIENCE_S = 20.0
_STREAM_S = 0.3


@dataclasses.dataclass(frozen=True)
class Request:
    """One call.

    Attributes:
        method: what is called.
        messages: serialised, or damaged; one, unless the method takes a stream.
        manner: how they came about.
        metadata: sent along.
        timeout_s: the caller's deadline.
        reads: answers of a stream that are read before the call is cancelled; for a single answer, 0 means that the
            call is cancelled at once.
    """

    method: Method
    messages: tuple[bytes, ...]
    manner: str = _MADE
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    timeout_s: float = _PATIENCE_S
    reads: int = 3


@st.composite
def requests(draw: Draw, methods: Sequence[Method], valid: Valid, names: tuple[str, ...]) -> Request:
    """Draws a request to one of the methods.

    Args:
        methods: those to call, the ones that stand there more often more often.
        valid: what mutations begin with; a method without any has its requests made.
        names: words for text fields.
    """
    method, manner = draw(st.sampled_from(methods)), draw(st.sampled_from(_MANNERS))
    known = valid.get(method.path)
    if known and manner != _MADE:
        messages = [type(message).FromString(message.SerializeToString()) for message in draw(st.sampled_from(known))]
    else:
        messages = [method.request() for _ in range(draw(st.integers(0, 3)) if method.streams_in else 1)]
        for message in messages:
            fill(draw, message, names)
    if manner == _MUTATED and messages:
        for _ in range(draw(st.integers(1, 3))):
            mutate(draw, draw(st.sampled_from(messages)), names)
    data = [message.SerializeToString() for message in messages]
    if manner == _DAMAGED:
        data = [damage(draw, each) for each in data] or [draw(st.binary(max_size=40))]
    hurried = draw(st.integers(0, 19))
    timeout_s = draw(st.sampled_from([0.001, 0.01, 0.05])) if hurried == 13 else _PATIENCE_S
    return Request(
        method,
        tuple(data),
        manner,
        draw(st.sampled_from(_METADATA)),
        min(timeout_s, _STREAM_S) if method.streams_out else timeout_s,
        draw(st.integers(0, 3)) if method.streams_out or hurried == 7 else 1,
    )


def fill(draw: Draw, message: Message, names: tuple[str, ...], depth: int = 0) -> None:
    """Sets some fields of a message."""
    fields = message.DESCRIPTOR.fields
    if fields:
        for position in draw(st.lists(st.integers(0, len(fields) - 1), max_size=6, unique=True)):
            put(draw, message, fields[position], names, depth)


def mutate(draw: Draw, message: Message, names: tuple[str, ...]) -> None:
    """Changes one field of a message, or of one inside it."""
    found = list(places(message))
    if found:
        holder, field = found[draw(st.integers(0, len(found) - 1))]
        holder.ClearField(field.name)
        if draw(st.integers(0, 5)):
            put(draw, holder, field, names, 1)


def places(message: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    """Yields every field of a message and of those inside it, set or not."""
    for field in message.DESCRIPTOR.fields:
        yield message, field
    for field, value in message.ListFields():
        for inner in _messages_in(field, value):
            yield from places(inner)


def damage(draw: Draw, data: bytes) -> bytes:
    """Replaces some bytes, cuts the end off, or doubles what there is."""
    data = damaged(data, draw(CHANGES))
    change = draw(st.integers(0, 5))
    if change == 0:
        return data[: draw(st.integers(0, len(data)))]
    return data + data if change == 1 else data


def put(draw: Draw, message: Message, field: FieldDescriptor, names: tuple[str, ...], depth: int) -> None:
    """Sets one field, or adds to it if there may be several."""
    if message.DESCRIPTOR.full_name == "google.protobuf.Struct":
        message.CopyFrom(_struct(draw, names))
    elif field.is_repeated and _is_map(field):
        _put_entries(draw, getattr(message, field.name), field.message_type, names, depth)
    elif field.message_type:
        _put_messages(draw, message, field, names, depth)
    elif field.is_repeated:
        values = draw(st.lists(scalars(field, names), max_size=3))
        if values and not draw(st.integers(0, 30)):
            values = values[:1] * min(_MANY, _MANY_BYTES // max(8, len(str(values[0]))))
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, draw(scalars(field, names)))


def _put_messages(draw: Draw, message: Message, field: FieldDescriptor, names: tuple[str, ...], depth: int) -> None:
    for _ in range(draw(st.integers(0, 2)) if field.is_repeated else 1):
        child = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
        child.SetInParent()
        if depth < _DEEPEST:
            fill(draw, child, names, depth + 1)


def _put_entries(draw: Draw, entries: Any, described: Descriptor, names: tuple[str, ...], depth: int) -> None:
    key, value = described.fields_by_name["key"], described.fields_by_name["value"]
    for _ in range(draw(st.integers(0, 3))):
        chosen = draw(scalars(key, names))
        if not value.message_type:
            entries[chosen] = draw(scalars(value, names))
        elif depth < _DEEPEST:
            fill(draw, entries[chosen], names, depth + 1)


def _struct(draw: Draw, names: tuple[str, ...]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    struct.update(draw(st.dictionaries(st.sampled_from(names), json_values(names), max_size=4)))
    return struct


def _messages_in(field: FieldDescriptor, value: Any) -> list[Message]:
    if not field.message_type:
        return []
    if not field.is_repeated:
        return [value]
    if _is_map(field):
        return [each for each in value.values() if isinstance(each, Message)]
    return list(value)


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)
