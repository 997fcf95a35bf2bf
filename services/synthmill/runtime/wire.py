"""Parts of messages by the rules of protobuf's wire format, so that large arrays are copied once.

Protobuf takes only `bytes` for a bytes field, copies them when they are set, again when the message becomes part of
another one, and once more when it is serialised. Where a message is mostly arrays, its few other fields are encoded
here, and all is joined once, straight from the memory of the arrays. Any protobuf parser reads the result.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from synthmill.runtime.tensors import data_type_of, pack_strings, wire_dtype

Parts = list[bytes | memoryview]
"""Bytes that follow one another."""

# Field numbers of Tensor.
_NAME, _DATA_TYPE, _SHAPE, _DATA = 1, 2, 3, 4
_LENGTH_DELIMITED = 2


def tensor_parts(name: str, pieces: Sequence[np.ndarray], shape: tuple[int, ...]) -> tuple[Parts, int]:
    """Returns the parts of a Tensor and their length together.

    Args:
        name: of the tensor.
        pieces: its data, one after the other along the first axis.
        shape: of all of them together.
    """
    data_type, dtype = _wire_type(pieces[0].dtype)
    if dtype is None:
        data: Parts = [pack_strings(piece.ravel()) for piece in pieces]
    else:
        data = [memoryview(np.ascontiguousarray(piece, dtype)).cast("B") for piece in pieces if piece.size]
    size = sum(map(len, data))
    head = _tensor_head(name, data_type, shape, size)
    return [head, *data], len(head) + size


def tensor_without_data(name: str, array: np.ndarray) -> bytes:
    """Returns a Tensor that describes an array, whose data are elsewhere."""
    data_type, _ = _wire_type(array.dtype)
    return _tensor_head(name, data_type, array.shape, 0)


def prefix(field: int, length: int) -> bytes:
    """Returns what comes before a field of bytes, text or a message."""
    return _tag(field, _LENGTH_DELIMITED) + varint(length)


def number(field: int, value: int, *, explicit: bool = False) -> bytes:
    """Returns a field that is a number of at least 0; as in proto3, zero is left out unless it is explicit."""
    return _tag(field, 0) + varint(value) if value or explicit else b""


@functools.lru_cache(maxsize=4096)
def text(field: int, value: str) -> bytes:
    """Returns a field that is a text."""
    encoded = value.encode()
    return prefix(field, len(encoded)) + encoded


def varint(value: int) -> bytes:
    """Returns a number of at least 0."""
    if value < 0x80:
        return bytes((value,))
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


@functools.lru_cache(maxsize=4096)
def _tensor_head(name: str, data_type: int, shape: tuple[int, ...], size: int) -> bytes:
    """Returns all of a Tensor that comes before its `size` bytes of data."""
    extents = b"".join(map(varint, shape))
    head = text(_NAME, name) + number(_DATA_TYPE, data_type)
    head += prefix(_SHAPE, len(extents)) + extents if shape else b""
    return head + (prefix(_DATA, size) if size else b"")


@functools.cache
def _wire_type(dtype: np.dtype) -> tuple[int, np.dtype | None]:
    data_type = data_type_of(dtype)
    return data_type, wire_dtype(data_type)


@functools.cache
def _tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)
