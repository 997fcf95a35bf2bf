"""Chunks of samples as the bytes of a SampleChunk message, with one copy of the samples.

Protobuf takes only `bytes` for a bytes field, and copies them again when the message is serialised. A chunk is mostly
one or two such fields, so its few other fields are encoded here by the rules of the wire format, and all is joined
once, straight from the memory of the batches. Any protobuf parser reads the result; a test compares it with what
protobuf itself makes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from synthmill.runtime.tensors import data_type_of, pack_strings, wire_dtype

# Field numbers of SampleChunk, Batch and Tensor.
_FIRST_INDEX, _COUNT, _BATCH, _MODEL_DIGEST, _MODEL = 1, 2, 3, 4, 5
_COLUMNS = 1
_NAME, _DATA_TYPE, _SHAPE, _DATA = 1, 2, 3, 4
_LENGTH_DELIMITED = 2

Pieces = Mapping[str, Sequence[np.ndarray]]
"""Columns by name, each in pieces that follow one another along the first axis."""


def encode_chunk(first_index: int, count: int, columns: Pieces, digest: str, model: str) -> bytes:
    """Returns a serialised SampleChunk.

    Args:
        first_index: index of the first sample.
        count: number of samples, at least 1.
        columns: the samples.
        digest: digest of the model version.
        model: name of the version; empty leaves it out.
    """
    tensors = [_encode_tensor(name, count, pieces) for name, pieces in columns.items()]
    batch: list[bytes | memoryview] = []
    size = 0
    for parts, length in tensors:
        prefix = _tag(_COLUMNS, _LENGTH_DELIMITED) + _varint(length)
        batch += [prefix, *parts]
        size += len(prefix) + length
    head = _number(_FIRST_INDEX, first_index) + _number(_COUNT, count)
    head += _tag(_BATCH, _LENGTH_DELIMITED) + _varint(size)
    tail = _text(_MODEL_DIGEST, digest) + (_text(_MODEL, model) if model else b"")
    return b"".join([head, *batch, tail])


def _encode_tensor(name: str, count: int, pieces: Sequence[np.ndarray]) -> tuple[list[bytes | memoryview], int]:
    """Returns the parts of a Tensor and their length together."""
    first = pieces[0]
    data_type, dtype = _wire_type(first.dtype)
    if dtype is None:
        data: list[bytes | memoryview] = [pack_strings(piece.ravel()) for piece in pieces]
    else:
        data = [memoryview(np.ascontiguousarray(piece, dtype)).cast("B") for piece in pieces]
    size = sum(map(len, data))
    head = _tensor_head(name, data_type, (count, *first.shape[1:]), size)
    return [head, *data], len(head) + size


@functools.lru_cache(maxsize=4096)
def _tensor_head(name: str, data_type: int, shape: tuple[int, ...], size: int) -> bytes:
    """Returns all of a Tensor that comes before its `size` bytes of data."""
    extents = b"".join(map(_varint, shape))
    head = _text(_NAME, name) + _number(_DATA_TYPE, data_type)
    head += _tag(_SHAPE, _LENGTH_DELIMITED) + _varint(len(extents)) + extents
    return head + _tag(_DATA, _LENGTH_DELIMITED) + _varint(size)


@functools.cache
def _wire_type(dtype: np.dtype) -> tuple[int, np.dtype | None]:
    data_type = data_type_of(dtype)
    return data_type, wire_dtype(data_type)


def _number(field: int, value: int) -> bytes:
    # As in proto3, zero is left out.
    return _tag(field, 0) + _varint(value) if value else b""


@functools.lru_cache(maxsize=4096)
def _text(field: int, value: str) -> bytes:
    encoded = value.encode()
    return _tag(field, _LENGTH_DELIMITED) + _varint(len(encoded)) + encoded


@functools.cache
def _tag(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
