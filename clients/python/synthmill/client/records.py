"""Records to augment as the bytes of messages, so that their arrays are copied once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from synthmill.client.results import read_response
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.runtime.wire import Parts, number, prefix, tensor_parts
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.augmentation_service_pb2_grpc import AugmentationServiceStub

# Field numbers of AugmentationRecord, and of the records in AugmentRequest and AugmentStreamRequest alike.
_INDEX, _ARRAYS = 1, 2
_RECORDS = 2


@dataclasses.dataclass(frozen=True)
class EncodedRecord:
    """A record as a field of a message.

    Attributes:
        index: of the record.
        field: the serialised AugmentationRecord, with what comes before it in a message.
    """

    index: int
    field: bytes


class RecordStub(AugmentationServiceStub):
    """The methods of the augmentation service; those that take records take them serialised, and give
    what `read_response` reads."""

    def __init__(self, channel: Any) -> None:
        super().__init__(channel)
        path = f"/{pb.DESCRIPTOR.services_by_name['AugmentationService'].full_name}"
        read = read_response
        self.Augment = channel.unary_unary(f"{path}/Augment", bytes, response_deserializer=read)
        self.AugmentStream = channel.stream_stream(f"{path}/AugmentStream", bytes, response_deserializer=read)


def encode_record(arrays: Mapping[str, Any], index: int) -> EncodedRecord:
    """Returns a record; bytes among its arrays are those of a file.

    Raises:
        InvalidField: the index is out of range, or something is no array.
    """
    if not 0 <= index < INDEX_LIMIT:
        raise InvalidField("index", index, "0 to 2^48 - 1")
    parts: Parts = [number(_INDEX, index, explicit=True)]
    size = len(parts[0])
    for name, value in arrays.items():
        array = _as_array(value)
        tensor, length = tensor_parts(name, [array], array.shape)
        before = prefix(_ARRAYS, length)
        parts += [before, *tensor]
        size += len(before) + length
    return EncodedRecord(index, b"".join([prefix(_RECORDS, size), *parts]))


def encode_request(spec: pb.AugmentationSpec | None, records: Iterable[EncodedRecord]) -> bytes:
    """Returns a serialised AugmentRequest or AugmentStreamRequest, whose fields have the same numbers."""
    head = b"" if spec is None else pb.AugmentRequest(spec=spec).SerializeToString()
    return b"".join([head, *(record.field for record in records)])


def to_message(record: EncodedRecord) -> pb.AugmentationRecord:
    """Returns a record as a message of its own."""
    [message] = pb.AugmentRequest.FromString(record.field).records
    return message


def _as_array(value: Any) -> np.ndarray:
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes | bytearray | memoryview) else np.asarray(value)
