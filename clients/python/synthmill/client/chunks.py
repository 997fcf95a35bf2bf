"""Messages of samples, read so that arrays are views of the bytes received.

What is not as the service writes it is left to protobuf: the result is the same, and so are the errors.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from synthmill.runtime.views import (
    LENGTH_DELIMITED,
    UNREADABLE,
    VARINT,
    TensorView,
    least_viewed,
    once,
    read_fields,
    read_tensor,
    read_text,
    tags,
)
from synthmill.v1 import sampling_service_pb2 as pb
from synthmill.v1 import tensor_pb2
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

# A smaller message is copied sooner than it is read in Python.
_LEAST_BYTES = 1 << 18


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
        fields = once(read_fields(message, (0, len(message)), _CHUNK))
        columns = read_fields(message, fields["batch"], _BATCH)
        return ChunkView(
            first_index=fields.get("first_index", 0),
            count=fields.get("count", 0),
            batch=BatchView(tuple(read_tensor(message, place, least_viewed(message)) for _, place in columns)),
            model_digest=read_text(message, fields.get("model_digest")),
            model=read_text(message, fields.get("model")),
        )
    except UNREADABLE:
        return None


_CHUNK = tags(
    pb.SampleChunk,
    {
        "first_index": VARINT,
        "count": VARINT,
        "batch": LENGTH_DELIMITED,
        "model_digest": LENGTH_DELIMITED,
        "model": LENGTH_DELIMITED,
    },
)
_BATCH = tags(tensor_pb2.Batch, {"columns": LENGTH_DELIMITED})
