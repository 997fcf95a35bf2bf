"""Results as the bytes of AugmentResponse messages, with one copy of their arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from synthmill.runtime.errors import ResourceExhausted, SynthmillError
from synthmill.runtime.wire import Parts, number, prefix, tensor_parts, tensor_without_data, text
from synthmill.v1 import augmentation_service_pb2 as pb

# Field numbers of AugmentResponse and AugmentationResult.
_RESULTS, _POLICY_DIGEST, _POOL, _POLICY_NAME, _SHARES_MEMORY = 1, 2, 3, 4, 5
_INDEX, _ARRAYS, _IN_BLOCK = 1, 2, 4

HEAD_BYTES = 1024
"""What a message may have beside its results."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """A serialised AugmentResponse, or a part of one: such parts, joined, are a message again.

    Attributes:
        data: its bytes.
        count: results in it.
        failed: those of them that are errors.
    """

    data: bytes
    count: int
    failed: int = 0


@dataclasses.dataclass(frozen=True)
class EncodedResult:
    """A result as a field of a message."""

    parts: Parts
    size: int
    failed: bool = False


def encode_head(policy_digest: str, pool: str, policy_name: str, *, shares_memory: bool = False) -> bytes:
    """Returns a message without results."""
    fields = ((_POLICY_DIGEST, policy_digest), (_POOL, pool), (_POLICY_NAME, policy_name))
    texts = [text(field, value) for field, value in fields if value]
    return b"".join([*texts, number(_SHARES_MEMORY, int(shares_memory))])


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
    return _as_field(parts, size)


def encode_result_in_block(index: int, arrays: Mapping[str, np.ndarray]) -> EncodedResult:
    """Returns what became of a record whose result's data were written to its block."""
    parts: Parts = [number(_INDEX, index)]
    for name, array in arrays.items():
        tensor = tensor_without_data(name, array)
        parts += [prefix(_ARRAYS, len(tensor)), tensor]
    parts.append(number(_IN_BLOCK, 1))
    return _as_field(parts, sum(map(len, parts)))


def encode_failure(index: int, error: SynthmillError) -> EncodedResult:
    """Returns why a record could not be augmented."""
    told = pb.AugmentationError(reason=error.reason, message=error.message, metadata=error.metadata)
    data = pb.AugmentationResult(index=index, error=told).SerializeToString()
    return _as_field([data], len(data), failed=True)


def _as_field(parts: Parts, size: int, *, failed: bool = False) -> EncodedResult:
    before = prefix(_RESULTS, size)
    return EncodedResult([before, *parts], len(before) + size, failed)


def in_frames(results: Iterable[EncodedResult], chunk_bytes: int, limit_bytes: int) -> Iterator[Frame]:
    """Joins results to messages of about a size, each with at least one.

    Args:
        chunk_bytes: size to aim at.
        limit_bytes: size that is not exceeded.
    """
    parts: Parts = []
    count = failed = size = 0
    for result in results:
        if count and (size >= chunk_bytes or size + result.size + HEAD_BYTES > limit_bytes):
            yield Frame(b"".join(parts), count, failed)
            parts, count, failed, size = [], 0, 0, 0
        parts += result.parts
        count += 1
        failed += result.failed
        size += result.size
    if count:
        yield Frame(b"".join(parts), count, failed)
