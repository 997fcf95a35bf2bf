"""Records to augment as the bytes of messages, so that their arrays are copied once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from synthmill.client.results import read_response
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.runtime.wire import Parts, number, prefix, tensor_parts, tensor_without_data
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.augmentation_service_pb2_grpc import AugmentationServiceStub

# Field numbers of AugmentationRecord, and of the records in AugmentRequest and AugmentStreamRequest alike.
_INDEX, _ARRAYS = 1, 2
_RECORDS = 2


@dataclasses.dataclass(frozen=True)
class NumberedRecord:
    """A record to augment.

    Attributes:
        index: of the record.
        arrays: its arrays by name.
    """

    index: int
    arrays: Mapping[str, np.ndarray]

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in self.arrays.values())


@dataclasses.dataclass(frozen=True)
class EncodedRecord:
    """A record as a field of a message.

    Attributes:
        index: of the record.
        field: the serialised AugmentationRecord, with what comes before it in a message.
        size: bytes that its data take, there or in a block.
        block: where its data lie, if they do not lie in the message.
        result_block: where the result's data may come.
    """

    index: int
    field: bytes
    size: int
    block: pb.Block | None = None
    result_block: pb.Block | None = None


class RecordStub(AugmentationServiceStub):
    """The methods of the augmentation service; those that take records take them serialised, and give
    what `read_response` reads."""

    def __init__(self, channel: Any) -> None:
        super().__init__(channel)
        path = f"/{pb.DESCRIPTOR.services_by_name['AugmentationService'].full_name}"
        read = read_response
        self.Augment = channel.unary_unary(f"{path}/Augment", bytes, response_deserializer=read)
        self.AugmentStream = channel.stream_stream(f"{path}/AugmentStream", bytes, response_deserializer=read)


def number_record(arrays: Mapping[str, Any], index: int) -> NumberedRecord:
    """Returns a record; bytes among its arrays are those of a file.

    Raises:
        InvalidField: the index is out of range.
    """
    if not 0 <= index < INDEX_LIMIT:
        raise InvalidField("index", index, "0 to 2^48 - 1")
    return NumberedRecord(index, {name: _as_array(value) for name, value in arrays.items()})


def encode_record(record: NumberedRecord) -> EncodedRecord:
    """Returns a record with its data.

    Raises:
        InvalidField: something is no array.
    """
    parts: Parts = [number(_INDEX, record.index, explicit=True)]
    size = len(parts[0])
    for name, array in record.arrays.items():
        tensor, length = tensor_parts(name, [array], array.shape)
        before = prefix(_ARRAYS, length)
        parts += [before, *tensor]
        size += len(before) + length
    return EncodedRecord(record.index, b"".join([prefix(_RECORDS, size), *parts]), size)


def encode_record_in_block(record: NumberedRecord, block: pb.Block, result_block: pb.Block) -> EncodedRecord:
    """Returns a record whose data are in a block; none may be strings."""
    message = pb.AugmentationRecord(index=record.index, block=block, result_block=result_block)
    parts: Parts = [message.SerializeToString()]
    for name, array in record.arrays.items():
        tensor = tensor_without_data(name, array)
        parts += [prefix(_ARRAYS, len(tensor)), tensor]
    field = b"".join([prefix(_RECORDS, sum(map(len, parts))), *parts])
    return EncodedRecord(record.index, field, record.size, block, result_block)


def encode_request(spec: pb.AugmentationSpec, records: Iterable[EncodedRecord]) -> bytes:
    """Returns a serialised AugmentRequest."""
    return pb.AugmentRequest(spec=spec).SerializeToString() + join_records(records)


def join_records(records: Iterable[EncodedRecord]) -> bytes:
    """Returns a serialised AugmentStreamRequest, one that does not open a stream."""
    return b"".join([record.field for record in records])


def to_message(record: EncodedRecord) -> pb.AugmentationRecord:
    """Returns a record as a message of its own."""
    [message] = pb.AugmentRequest.FromString(record.field).records
    return message


def _as_array(value: Any) -> np.ndarray:
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes | bytearray | memoryview) else np.asarray(value)
