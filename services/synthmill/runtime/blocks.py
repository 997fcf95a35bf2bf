"""Arrays side by side in a block of memory, each from a multiple of 64 bytes on, as messages describe them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import count_elements, data_type_of, wire_dtype
from synthmill.runtime.views import Place, TensorView
from synthmill.v1.tensor_pb2 import Tensor

ALIGNMENT = 64
"""As NumPy and OpenCV have their arrays, and as wide as a line of a cache."""


def lay_out(sizes: Iterable[int]) -> list[Place]:
    """Returns where arrays of so many bytes begin and end."""
    places, at = [], 0
    for size in sizes:
        start = -(-at // ALIGNMENT) * ALIGNMENT
        at = start + size
        places.append((start, at))
    return places


def size_together(sizes: Iterable[int]) -> int:
    """Returns how long a block must be for arrays of so many bytes."""
    return max((stop for _, stop in lay_out(sizes)), default=0)


def size_of(tensors: Sequence[Tensor | TensorView]) -> int:
    """Returns how long a block must be for the arrays that tensors without data describe.

    Raises:
        InvalidField: a tensor is malformed, or has strings, whose size is not known from their number.
    """
    return size_together(map(_bytes_described, tensors))


def bytes_of(array: np.ndarray) -> memoryview | None:
    """Returns the bytes of an array as they are on the wire; None for strings.

    Raises:
        InvalidField: its dtype has no equivalent on the wire.
    """
    dtype = wire_dtype(data_type_of(array.dtype))
    return None if dtype is None else memoryview(np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8))


def fill(tensors: Sequence[Tensor | TensorView], block: bytes | memoryview) -> list[TensorView]:
    """Returns tensors with their data, which are views of the block.

    Args:
        tensors: without data.
        block: at least as long as they are together.

    Raises:
        InvalidField: as `size_of`.
    """
    view, places = memoryview(block), lay_out(map(_bytes_described, tensors))
    return [
        TensorView(tensor.name, tensor.data_type, tuple(tensor.shape), view[start:stop])
        for tensor, (start, stop) in zip(tensors, places, strict=True)
    ]


def _bytes_described(tensor: Tensor | TensorView) -> int:
    dtype = wire_dtype(tensor.data_type)
    if dtype is None:
        raise InvalidField(f"{tensor.name}.data_type", tensor.data_type, "a DataType of numbers, in a block")
    return count_elements(tensor) * dtype.itemsize
