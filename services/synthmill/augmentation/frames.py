"""Results as the bytes of AugmentResponse messages, with one copy of their arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from synthmill.runtime.errors import ResourceExhausted, SynthmillError
from synthmill.runtime.wire import Parts, number, prefix, tensor_parts, text
from synthmill.v1 import augmentation_service_pb2 as pb

# Field numbers of AugmentResponse and AugmentationResult.
_RESULTS, _POLICY_DIGEST, _POOL, _POLICY_NAME = 1, 2, 3, 4
_INDEX, _ARRAYS = 1, 2

HEAD_BYTES = 1024
"""What a message may have beside its results."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """A serialised AugmentResponse, or a part of one: such parts, joined, are a message again.

    Attributes:
        data: its bytes.
        count: results in it.
    """

    data: bytes
    count: int


@dataclasses.dataclass(frozen=True)
class EncodedResult:
    """A result as a field of a message."""

    parts: Parts
    size: int


def encode_head(policy_digest: str, pool: str, policy_name: str) -> bytes:
    """Returns a message without results."""
    fields = ((_POLICY_DIGEST, policy_digest), (_POOL, pool), (_POLICY_NAME, policy_name))
    return b"".join(text(field, value) for field, value in fields if value)


def encode_result(index: int, arrays: Mapping[str, np.ndarray], limit_bytes: int) -> EncodedResult:
    """Returns what became of a record; an error if that does not fit a message.

    Args:
        limit_bytes: size of a message.
    """
    parts: Parts = [number(_INDEX, index)]
    size = len(parts[0])
    for name, array in arrays.items():
        tensor, length = tensor_parts(name, [array], array.shape)
        before = prefix(_ARRAYS, length)
        parts += [before, *tensor]
        size += len(before) + length
    if size + HEAD_BYTES > limit_bytes:
        told = f"the result takes {size} bytes, more than a message of {limit_bytes} bytes holds"
        return encode_failure(index, ResourceExhausted(told, field="index", value=index))
    before = prefix(_RESULTS, size)
    return EncodedResult([before, *parts], len(before) + size)


def encode_failure(index: int, error: SynthmillError) -> EncodedResult:
    """Returns why a record could not be augmented."""
    told = pb.AugmentationError(reason=error.reason, message=error.message, metadata=error.metadata)
    data = pb.AugmentationResult(index=index, error=told).SerializeToString()
    before = prefix(_RESULTS, len(data))
    return EncodedResult([before, data], len(before) + len(data))


def in_frames(results: Iterable[EncodedResult], chunk_bytes: int, limit_bytes: int) -> Iterator[Frame]:
    """Joins results to messages of about a size, each with at least one.

    Args:
        chunk_bytes: size to aim at.
        limit_bytes: size that is not exceeded.
    """
    parts: Parts = []
    count = size = 0
    for result in results:
        if count and (size >= chunk_bytes or size + result.size + HEAD_BYTES > limit_bytes):
            yield Frame(b"".join(parts), count)
            parts, count, size = [], 0, 0
        parts += result.parts
        count += 1
        size += result.size
    if count:
        yield Frame(b"".join(parts), count)
