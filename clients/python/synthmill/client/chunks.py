"""Messages of samples, read so that arrays are views of the bytes received.

Protobuf copies a message when it parses it, and each bytes field once more when it is looked at. A chunk is mostly one
or two such fields, so the few others are read here by the rules of the wire format, and those are left where they are.
Whatever is not as the service writes it is left to protobuf: the result is the same, and so are the errors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from synthmill.runtime.tensors import wire_dtype
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1 import tensor_pb2
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

# A smaller message is copied sooner than it is read in Python.
_LEAST_BYTES = 1 << 18
# A column so many times smaller than its message is copied, so that who keeps it does not keep the message.
_SMALL = 16

_VARINT, _LENGTH_DELIMITED = 0, 2
# Longer ones are negative, or not what anybody writes.
_VARINT_BYTES, _LENGTH_BYTES = 9, 5


class _UnexpectedError(Exception):
    """A message is not as the service writes it."""


@dataclasses.dataclass(frozen=True)
class TensorView:
    """A `Tensor`; its data is a read-only view of the message, or a copy."""

    name: str
    data_type: int
    shape: tuple[int, ...]
    data: bytes | memoryview


@dataclasses.dataclass(frozen=True)
class BatchView:
    """A `Batch`."""

    columns: tuple[TensorView, ...]


@dataclasses.dataclass(frozen=True)
class ChunkView:
    """A `SampleChunk`."""

    first_index: int
    count: int
    batch: BatchView
    model_digest: str
    model: str


Chunk = pb.SampleChunk | ChunkView
"""A message of samples, as protobuf has it or as views; the fields have the same names."""


class ChunkStub(SamplingServiceStub):
    """The methods of the sampling service, with chunks as `read_chunk` reads them."""

    def __init__(self, channel: Any) -> None:
        super().__init__(channel)
        path = f"/{pb.DESCRIPTOR.services_by_name['SamplingService'].full_name}"
        self.Sample = channel.unary_unary(
            f"{path}/Sample", pb.SampleRequest.SerializeToString, response_deserializer=read_chunk
        )
        self.StreamSamples = channel.unary_stream(
            f"{path}/StreamSamples", pb.StreamSamplesRequest.SerializeToString, response_deserializer=read_chunk
        )


def read_chunk(message: bytes) -> Chunk:
    """Reads a serialised SampleChunk.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    view = view_chunk(message) if len(message) >= _LEAST_BYTES else None
    return pb.SampleChunk.FromString(message) if view is None else view


def view_chunk(message: bytes) -> ChunkView | None:
    """Reads a serialised SampleChunk; None if it is not as the service writes it."""
    try:
        fields = _once(_fields(message, 0, len(message), _CHUNK))
        columns = _fields(message, *fields["batch"], _BATCH)
        return ChunkView(
            first_index=fields.get("first_index", 0),
            count=fields.get("count", 0),
            batch=BatchView(tuple(_tensor(message, *place) for _, place in columns)),
            model_digest=_text(message, fields.get("model_digest")),
            model=_text(message, fields.get("model")),
        )
    except (_UnexpectedError, IndexError, KeyError, UnicodeDecodeError):
        return None


def _tensor(message: bytes, start: int, stop: int) -> TensorView:
    fields = _once(_fields(message, start, stop, _TENSOR))
    data_type = fields.get("data_type", 0)
    return TensorView(
        name=_text(message, fields.get("name")),
        data_type=data_type,
        shape=_numbers(message, fields.get("shape")),
        data=_data(message, fields.get("data"), data_type),
    )


def _data(message: bytes, place: tuple[int, int] | None, data_type: int) -> bytes | memoryview:
    start, stop = place or (0, 0)
    dtype = wire_dtype(data_type)
    aligned = dtype is None or start % dtype.itemsize == 0
    if not aligned or (stop - start) * _SMALL < len(message):
        return message[start:stop]
    return memoryview(message)[start:stop]


def _text(message: bytes, place: tuple[int, int] | None) -> str:
    return message[slice(*place)].decode() if place else ""


def _numbers(message: bytes, place: tuple[int, int] | None) -> tuple[int, ...]:
    found, (at, stop) = [], place or (0, 0)
    while at < stop:
        number, at = _varint(message, at, _VARINT_BYTES)
        found.append(number)
    if at != stop:
        raise _UnexpectedError
    return tuple(found)


def _once(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Returns fields by name, of which none may come twice."""
    found: dict[str, Any] = {}
    for name, value in fields:
        if name in found:
            raise _UnexpectedError
        found[name] = value
    return found


def _fields(message: bytes, at: int, stop: int, names: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    """Yields the fields of the message in [at, stop): name, and a number or the place of the field's bytes."""
    while at < stop:
        tag = message[at]
        if tag not in names:
            raise _UnexpectedError
        if tag & 7 == _VARINT:
            value, at = _varint(message, at + 1, _VARINT_BYTES)
        else:
            size, first = _varint(message, at + 1, _LENGTH_BYTES)
            at = first + size
            value = first, at
        if at > stop:
            raise _UnexpectedError
        yield names[tag], value


def _varint(message: bytes, at: int, longest: int) -> tuple[int, int]:
    """Returns the number at a place, and the place after it."""
    value = 0
    for place in range(longest):
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise _UnexpectedError


def _tags(message: type[Message], wire_types: Mapping[str, int]) -> dict[int, str]:
    """Returns names of fields by the byte that they begin with."""
    numbers = message.DESCRIPTOR.fields_by_name
    return {numbers[name].number << 3 | wire_type: name for name, wire_type in wire_types.items()}


_CHUNK = _tags(
    pb.SampleChunk,
    {
        "first_index": _VARINT,
        "count": _VARINT,
        "batch": _LENGTH_DELIMITED,
        "model_digest": _LENGTH_DELIMITED,
        "model": _LENGTH_DELIMITED,
    },
)
_BATCH = _tags(tensor_pb2.Batch, {"columns": _LENGTH_DELIMITED})
_TENSOR = _tags(
    tensor_pb2.Tensor,
    {"name": _LENGTH_DELIMITED, "data_type": _VARINT, "shape": _LENGTH_DELIMITED, "data": _LENGTH_DELIMITED},
)
