"""Memory that a caller on the same machine lends to a stream, so that arrays need not go through messages."""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import secrets
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthmill.augmentation.received import Record
from synthmill.runtime.blocks import bytes_of, fill, lay_out, size_of, size_together
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.views import TensorView
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Tensor

_KEY = re.compile("[0-9a-f]{32}")
_MAX_BYTES = 1 << 48
# Smaller arrays are copied: they may be positions, which nobody shall change after they were checked.
_LEAST_VIEWED = 4096


class Place(NamedTuple):
    """Where memory is.

    Attributes:
        key: that no other memory has.
        path: of the file.
        byte_size: its size.
    """

    key: str
    path: str
    byte_size: int


class LentMemory:
    """Memory that a caller has lent.

    Args:
        key: that nothing else lent has.
        descriptor: of the file, which is closed when nobody refers to this any more.
        byte_size: its size.

    Attributes:
        ended: whether the stream that it was lent to has ended.

    Raises:
        OSError: it cannot be mapped.
    """

    def __init__(self, key: str, descriptor: int, byte_size: int) -> None:
        self.key, self.ended = key, False
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self._memory = memoryview(mmap.mmap(descriptor, byte_size))

    @property
    def place(self) -> Place:
        """Where another process of this user finds the memory, as long as this one has it."""
        return Place(self.key, f"/proc/{os.getpid()}/fd/{self._descriptor}", len(self._memory))

    def require_inside(self, field: str, block: pb.Block) -> None:
        """Requires that a block lies in the memory.

        Raises:
            InvalidField: it does not.
        """
        size = len(self._memory)
        if not 0 <= block.offset < size:
            raise InvalidField(f"{field}.offset", block.offset, f"0 to {size - 1}")
        if not 1 <= block.byte_size <= size - block.offset:
            raise InvalidField(f"{field}.byte_size", block.byte_size, f"1 to {size - block.offset}")

    def read(self, block: pb.Block, tensors: Sequence[Tensor | TensorView]) -> list[TensorView]:
        """Returns tensors with their data; what is large is a read-only view.

        Args:
            block: has the data; lies in the memory.
            tensors: without data.

        Raises:
            InvalidField: a tensor is malformed, has data of its own, or does not lie in the block.
        """
        if any(tensor.data for tensor in tensors):
            raise InvalidField("arrays", "data", "none beside a block")
        size = size_of(tensors)
        if size > block.byte_size:
            raise InvalidField("block.byte_size", block.byte_size, f"at least {size}")
        found = fill(tensors, self._memory[block.offset : block.offset + size].toreadonly())
        return [
            tensor if len(tensor.data) >= _LEAST_VIEWED else tensor._replace(data=bytes(tensor.data))
            for tensor in found
        ]

    def write(self, block: pb.Block, arrays: Mapping[str, np.ndarray]) -> bool:
        """Writes arrays to a block that lies in the memory; returns whether they fit."""
        data = [view for array in arrays.values() if (view := bytes_of(array)) is not None]
        sizes = [len(view) for view in data]
        if len(data) < len(arrays) or size_together(sizes) > block.byte_size:
            return False
        for (start, stop), view in zip(lay_out(sizes), data, strict=True):
            self._memory[block.offset + start : block.offset + stop] = view
        return True


def open_place(place: Place) -> LentMemory:
    """Returns the memory that another process has.

    Raises:
        OSError: it has it no longer.
    """
    return LentMemory(place.key, os.open(place.path, os.O_RDWR | os.O_CLOEXEC), place.byte_size)


def open_lent(offered: pb.SharedMemory, *, use: bool) -> LentMemory | None:
    """Returns the memory that a caller offers; None if it cannot be used, as that of a caller elsewhere.

    Args:
        offered: as it was sent.
        use: whether any may be used.

    Raises:
        InvalidField: the offer is malformed, or what it names is not of that size or may shrink.
    """
    if not _KEY.fullmatch(offered.key):
        raise InvalidField("shared_memory.key", offered.key, "32 digits of 0-9 and a-f")
    for name, low, high in (("process_id", 1, 1 << 31), ("descriptor", 0, 1 << 31), ("byte_size", 1, _MAX_BYTES)):
        if not low <= getattr(offered, name) <= high:
            raise InvalidField(f"shared_memory.{name}", getattr(offered, name), f"{low} to {high}")
    path = Path(f"/proc/{offered.process_id}/fd/{offered.descriptor}")
    try:
        # A process of that number may be another one here, and to open a file of it might wait, or do something.
        if not use or os.readlink(path) != f"/memfd:synthmill-{offered.key} (deleted)":
            return None
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    # A page that its owner takes away would be the end of whoever touches it.
    seals, size = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS), os.fstat(descriptor).st_size
    try:
        # A key of our own: a caller may lend the same memory to several streams.
        memory = LentMemory(secrets.token_hex(8), descriptor, size)
    # An empty one, among others.
    except (OSError, ValueError):
        return None
    if not seals & fcntl.F_SEAL_SHRINK:
        raise InvalidField("shared_memory", "a file that may shrink", "one with the seal F_SEAL_SHRINK")
    if size != offered.byte_size:
        raise InvalidField("shared_memory.byte_size", offered.byte_size, size)
    return memory


def read_tensors(memory: LentMemory | None, record: Record) -> Sequence[Tensor | TensorView]:
    """Returns the arrays of a record with their data, wherever they are.

    Args:
        memory: that the stream shares; None if it shares none.
        record: the record.

    Raises:
        InvalidField: a block is not allowed, or an array does not lie in it.
    """
    for field in ("block", "result_block"):
        block = getattr(record, field)
        if block is not None:
            if memory is None:
                raise InvalidField(field, "a block", "none: no memory is shared")
            memory.require_inside(field, block)
    if memory is None or record.block is None:
        return record.arrays
    return memory.read(record.block, record.arrays)
