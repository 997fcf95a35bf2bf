"""Records as they are received: their arrays are views of the message, if they are large."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message

from synthmill.runtime.views import (
    LENGTH_DELIMITED,
    UNREADABLE,
    VARINT,
    Place,
    TensorView,
    UnexpectedError,
    gather,
    read_fields,
    read_tensor,
    tags,
)
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Tensor

# A smaller record is copied sooner than it is read in Python.
_LEAST_RECORD_BYTES = 1 << 15


class Record(NamedTuple):
    """An `AugmentationRecord`.

    Attributes:
        index: None if it has none of its own.
        arrays: its arrays.
        size: of the message and of the block beside it, in bytes.
        block: where the data of its arrays lie; None if in them.
        result_block: where those of the result's arrays go; None if into them.
    """

    index: int | None
    arrays: Sequence[Tensor | TensorView]
    size: int
    block: pb.Block | None = None
    result_block: pb.Block | None = None


class Received(NamedTuple):
    """An `AugmentRequest` or an `AugmentStreamRequest`, whose fields have the same numbers.

    Attributes:
        spec: None if there is none.
        records: its records.
        size: of the message, in bytes.
        shared_memory: that is offered; None if none is.
    """

    spec: pb.AugmentationSpec | None
    records: list[Record]
    size: int
    shared_memory: pb.SharedMemory | None = None


def read_received(message: bytes) -> Received:
    """Reads a serialised AugmentRequest or AugmentStreamRequest.

    Raises:
        google.protobuf.message.DecodeError: it is neither.
    """
    view = view_received(message)
    if view is not None:
        return view
    # An AugmentRequest has no more than an AugmentStreamRequest.
    request = pb.AugmentStreamRequest.FromString(message)
    records = [to_record(each) for each in request.records]
    return Received(_given(request, "spec"), records, len(message), _given(request, "shared_memory"))


def view_received(message: bytes) -> Received | None:
    """Reads a serialised message of large records; None if they are small, or it is not as Synthmill writes it."""
    try:
        places, fields = gather(read_fields(message, (0, len(message)), _REQUEST), "records")
        records = [_view_record(message, place) for place in places]
        spec = pb.AugmentationSpec.FromString(message[slice(*fields["spec"])]) if "spec" in fields else None
    except (*UNREADABLE, DecodeError):
        return None
    return Received(spec, records, len(message))


def to_record(message: pb.AugmentationRecord) -> Record:
    """Returns what protobuf has read."""
    size = message.ByteSize() + max(0, message.block.byte_size)
    blocks = _given(message, "block"), _given(message, "result_block")
    return Record(_given(message, "index"), message.arrays, size, *blocks)


def _given(message: Message, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


def _view_record(message: bytes, place: Place) -> Record:
    size = place[1] - place[0]
    if size < _LEAST_RECORD_BYTES:
        raise UnexpectedError
    places, fields = gather(read_fields(message, place, _RECORD), "arrays")
    return Record(fields.get("index"), [read_tensor(message, each, 0) for each in places], size)


_REQUEST = tags(pb.AugmentRequest, {"spec": LENGTH_DELIMITED, "records": LENGTH_DELIMITED})
_RECORD = tags(pb.AugmentationRecord, {"index": VARINT, "arrays": LENGTH_DELIMITED})
