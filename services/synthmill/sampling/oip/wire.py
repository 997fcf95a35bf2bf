"""Responses as bytes, with one copy of the samples: straight from their arrays into the message.

Protobuf takes only `bytes` for a field of bytes, and copies them once more when it serialises. A response is small but
for raw_output_contents, so protobuf writes the rest, and the contents are appended by the rules of the wire format.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.runtime.tensors import pack_strings
from synthmill.sampling.oip.shared_memory import Buffer
from synthmill.sampling.oip.specs import TensorSpec

_LENGTH_DELIMITED = 2
_RAW = bytes((pb.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED,))
_STREAMED = bytes((pb.ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER << 3 | _LENGTH_DELIMITED,))


def to_buffers(spec: TensorSpec, pieces: Sequence[np.ndarray]) -> list[Buffer]:
    """Returns the elements of a column's pieces as they travel: row-major, little-endian, strings with their lengths.

    They are views of the pieces where that is possible.
    """
    dtype = spec.datatype.dtype
    if dtype is None:
        return [pack_strings(piece.ravel()) for piece in pieces]
    return [memoryview(np.ascontiguousarray(piece, dtype)).cast("B") for piece in pieces]


def encode(head: pb.ModelInferResponse, contents: Sequence[Sequence[Buffer]], *, streamed: bool) -> bytes:
    """Returns a serialised response.

    Args:
        head: everything but raw_output_contents.
        contents: the entries of raw_output_contents, each in pieces.
        streamed: whether it is that of a stream.
    """
    parts: list[Buffer] = [head.SerializeToString()]
    for pieces in contents:
        parts += [_RAW + _varint(sum(map(len, pieces))), *pieces]
    if streamed:
        parts.insert(0, _STREAMED + _varint(sum(map(len, parts))))
    return b"".join(parts)


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
