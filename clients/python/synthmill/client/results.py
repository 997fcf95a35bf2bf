"""Messages of augmented records, read so that large arrays are views of the bytes received.

What is not as the service writes it is left to protobuf: the result is the same, and so are the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError

from synthmill.runtime.views import (
    LENGTH_DELIMITED,
    UNREADABLE,
    VARINT,
    Place,
    TensorView,
    UnexpectedError,
    gather,
    least_viewed,
    read_fields,
    read_tensor,
    read_text,
    tags,
)
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Tensor

# A smaller result is copied sooner than it is read in Python.
_LEAST_RESULT_BYTES = 1 << 15


class Result(NamedTuple):
    """An `AugmentationResult`.

    Attributes:
        index: of the record.
        arrays: its arrays.
        error: why it could not be augmented, None if it was.
        in_block: whether the data of its arrays lie in the record's block.
    """

    index: int
    arrays: Sequence[Tensor | TensorView]
    error: pb.AugmentationError | None
    in_block: bool = False


class Response(NamedTuple):
    """An `AugmentResponse`."""

    results: list[Result]
    policy_digest: str
    pool: str
    policy_name: str
    shares_memory: bool = False


def read_response(message: bytes) -> Response:
    """Reads a serialised AugmentResponse.

    Raises:
        google.protobuf.message.DecodeError: it is none.
    """
    view = view_response(message)
    if view is not None:
        return view
    response = pb.AugmentResponse.FromString(message)
    results = [
        Result(each.index, each.arrays, each.error if each.HasField("error") else None, each.in_block)
        for each in response.results
    ]
    texts = response.policy_digest, response.pool, response.policy_name
    return Response(results, *texts, response.shares_memory)


def view_response(message: bytes) -> Response | None:
    """Reads a serialised message of large results; None if they are small, or it is not as the service writes it."""
    try:
        places, texts = gather(read_fields(message, (0, len(message)), _RESPONSE), "results")
        results = [_view_result(message, place) for place in places]
        return Response(results, *(read_text(message, texts.get(name)) for name in _TEXTS))
    except (*UNREADABLE, DecodeError):
        return None


def _view_result(message: bytes, place: Place) -> Result:
    places, fields = gather(read_fields(message, place, _RESULT), "arrays")
    arrays = [read_tensor(message, each, least_viewed(message)) for each in places]
    error = fields.get("error")
    if error is None and place[1] - place[0] < _LEAST_RESULT_BYTES:
        raise UnexpectedError
    told = None if error is None else pb.AugmentationError.FromString(message[slice(*error)])
    return Result(fields.get("index", 0), arrays, told)


_TEXTS = ("policy_digest", "pool", "policy_name")
_RESPONSE = tags(pb.AugmentResponse, dict.fromkeys(("results", *_TEXTS), LENGTH_DELIMITED))
_RESULT = tags(pb.AugmentationResult, {"index": VARINT, "arrays": LENGTH_DELIMITED, "error": LENGTH_DELIMITED})
