"""NumPy arrays to tensor messages and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from synthmill.runtime.errors import InvalidField
from synthmill.v1 import tensor_pb2

_NUMPY = {
    tensor_pb2.DATA_TYPE_BOOL: "?",
    tensor_pb2.DATA_TYPE_UINT8: "u1",
    tensor_pb2.DATA_TYPE_UINT16: "<u2",
    tensor_pb2.DATA_TYPE_UINT32: "<u4",
    tensor_pb2.DATA_TYPE_UINT64: "<u8",
    tensor_pb2.DATA_TYPE_INT8: "i1",
    tensor_pb2.DATA_TYPE_INT16: "<i2",
    tensor_pb2.DATA_TYPE_INT32: "<i4",
    tensor_pb2.DATA_TYPE_INT64: "<i8",
    tensor_pb2.DATA_TYPE_FLOAT16: "<f2",
    tensor_pb2.DATA_TYPE_FLOAT32: "<f4",
    tensor_pb2.DATA_TYPE_FLOAT64: "<f8",
}
_TO_NUMPY = {data_type: np.dtype(code) for data_type, code in _NUMPY.items()}
_FROM_NUMPY = {dtype: data_type for data_type, dtype in _TO_NUMPY.items()}
_LENGTH = np.dtype("<u4")

MAX_AXES = 32
MAX_ELEMENTS = 2**48
"""What a tensor may have, whatever its message claims."""


def data_type_of(dtype: np.dtype) -> int:
    """Returns the wire's data type of a NumPy dtype; object and str dtypes count as strings.

    Raises:
        InvalidField: the dtype has no equivalent on the wire.
    """
    if dtype.kind in "OUT":
        return tensor_pb2.DATA_TYPE_STRING
    try:
        return _FROM_NUMPY[dtype.newbyteorder("<") if dtype.itemsize > 1 else dtype]
    except KeyError:
        raise InvalidField("dtype", dtype, "bool, integers, floats of 2, 4 or 8 bytes, strings") from None


def wire_dtype(data_type: int) -> np.dtype | None:
    """Returns the little-endian NumPy dtype of a data type; None for strings."""
    return _TO_NUMPY.get(data_type)


def to_tensor(name: str, array: np.ndarray) -> tensor_pb2.Tensor:
    """Packs an array of any shape as row-major little-endian bytes."""
    array = np.asarray(array)
    data_type = data_type_of(array.dtype)
    if data_type == tensor_pb2.DATA_TYPE_STRING:
        data = pack_strings(array.ravel())
    else:
        data = array.astype(_TO_NUMPY[data_type], order="C", copy=False).tobytes()
    return tensor_pb2.Tensor(name=name, data_type=data_type, shape=array.shape, data=data)


def from_tensor(tensor: tensor_pb2.Tensor) -> np.ndarray:
    """Unpacks a tensor; numbers become a read-only view of its bytes, strings an object array.

    Raises:
        InvalidField: data type, shape and number of bytes do not fit together.
    """
    # Protobuf copies the bytes each time it is asked for them.
    shape, count, data = tuple(tensor.shape), count_elements(tensor), tensor.data
    if tensor.data_type == tensor_pb2.DATA_TYPE_STRING:
        return _unpack_strings(tensor.name, data, count).reshape(shape)
    dtype = _TO_NUMPY.get(tensor.data_type)
    if dtype is None:
        raise InvalidField(f"{tensor.name}.data_type", tensor.data_type, "a DataType other than UNSPECIFIED")
    if len(data) != count * dtype.itemsize:
        raise InvalidField(f"{tensor.name}.data", f"{len(data)} bytes", f"{count * dtype.itemsize} bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def count_elements(tensor: tensor_pb2.Tensor) -> int:
    """Returns how many elements a tensor's shape means.

    Raises:
        InvalidField: no tensor has such a shape.
    """
    shape = tuple(tensor.shape)
    if any(extent < 0 for extent in shape):
        raise InvalidField(f"{tensor.name}.shape", shape, "extents of at least 0")
    # Before they are multiplied by each other, and shown: none of it may grow with what somebody claims.
    if len(shape) > MAX_AXES or math.prod(filter(None, shape)) > MAX_ELEMENTS:
        allowed = f"at most {MAX_AXES} axes and {MAX_ELEMENTS} elements, empty axes aside"
        raise InvalidField(f"{tensor.name}.shape", shape, allowed)
    return math.prod(shape)


def to_batch(columns: Mapping[str, np.ndarray]) -> tensor_pb2.Batch:
    """Packs columns, in their order, into one batch."""
    return tensor_pb2.Batch(columns=[to_tensor(name, array) for name, array in columns.items()])


def from_batch(batch: tensor_pb2.Batch) -> dict[str, np.ndarray]:
    """Unpacks a batch into columns by name.

    Raises:
        InvalidField: a tensor is malformed, or the columns differ in length.
    """
    columns = {tensor.name: from_tensor(tensor) for tensor in batch.columns}
    lengths = {array.shape[0] if array.ndim else None for array in columns.values()}
    if len(lengths) > 1 or None in lengths:
        raise InvalidField("batch", sorted(map(str, lengths)), "columns with the same first axis")
    return columns


def to_column_specs(columns: Mapping[str, tuple[np.dtype, Iterable[int]]]) -> list[tensor_pb2.ColumnSpec]:
    """Describes columns given as name -> (dtype, extents after the first axis)."""
    return [
        tensor_pb2.ColumnSpec(name=name, data_type=data_type_of(np.dtype(dtype)), shape=[-1, *shape])
        for name, (dtype, shape) in columns.items()
    ]


def pack_strings(values: np.ndarray) -> bytes:
    """Returns strings as UTF-8, each preceded by its length in bytes as a little-endian uint32."""
    parts = []
    for value in values:
        encoded = str(value).encode()
        parts += [len(encoded).to_bytes(4, "little"), encoded]
    return b"".join(parts)


def _unpack_strings(name: str, data: bytes | memoryview, count: int) -> np.ndarray:
    if len(data) < count * _LENGTH.itemsize:
        raise InvalidField(f"{name}.data", f"{len(data)} bytes", f"{count} strings with their lengths")
    values = np.empty(count, dtype=object)
    offset = 0
    for position in range(count):
        end = offset + _LENGTH.itemsize
        end += int.from_bytes(data[offset:end], "little")
        if end > len(data):
            raise InvalidField(f"{name}.data", f"{len(data)} bytes", f"{count} strings with their lengths")
        values[position] = str(data[offset + _LENGTH.itemsize : end], "utf-8")
        offset = end
    if offset != len(data):
        raise InvalidField(f"{name}.data", f"{len(data)} bytes", f"{offset} bytes for {count} strings")
    return values
