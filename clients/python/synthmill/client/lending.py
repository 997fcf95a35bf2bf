"""Memory that is lent to a service on this machine, so that arrays need not go through messages."""

from __future__ import annotations

import mmap
import os
import secrets
import threading
from collections import deque
from collections.abc import Sequence

from synthmill.runtime.blocks import ALIGNMENT, fill, lay_out, size_of
from synthmill.runtime.errors import DataLoss
from synthmill.runtime.views import TensorView
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Tensor

CAN_LEND = hasattr(os, "memfd_create")
"""Whether this operating system has what is lent."""


class LentMemory:
    """An anonymous file whose blocks are taken in turns and given back in the order in which they were taken.

    Args:
        byte_size: its size.

    Raises:
        OSError: there is not as much memory.
    """

    def __init__(self, byte_size: int) -> None:
        self._byte_size = byte_size
        self._descriptor = -1
        # One thread takes blocks, another one gives them back.
        self._lock = threading.Lock()
        self._taken: deque[tuple[int, int]] = deque()
        self._create()

    def _create(self) -> None:
        # Windows, where nothing is lent, does not have it.
        import fcntl

        self.withdraw()
        self._key = secrets.token_hex(16)
        self._descriptor = os.memfd_create(f"synthmill-{self._key}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        # All of it now: a page that cannot be had when it is first touched would be the end of this process.
        os.posix_fallocate(self._descriptor, 0, self._byte_size)
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self._memory = memoryview(mmap.mmap(self._descriptor, self._byte_size, mmap.MAP_SHARED | mmap.MAP_POPULATE))

    def offer(self) -> pb.SharedMemory:
        """Returns where a service finds it."""
        return pb.SharedMemory(
            process_id=os.getpid(), descriptor=self._descriptor, key=self._key, byte_size=self._byte_size
        )

    def renew(self) -> None:
        """Goes over to another file with the same content: who was lent the one may still write to it.

        Raises:
            OSError: there is not as much memory.
        """
        content = self._memory
        self._create()
        self._memory[:] = content

    def withdraw(self) -> None:
        """Lets nobody else find it; who has opened it keeps it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.withdraw()

    def take(self, size: int) -> int | None:
        """Takes a block and returns its offset; None if there is no room before others are given back."""
        size = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        with self._lock:
            start = self._find_room(size)
            if start is not None:
                self._taken.append((start, start + size))
        return start

    def give_back(self) -> None:
        """Gives back the block that was taken first."""
        with self._lock:
            self._taken.popleft()

    def write(self, offset: int, data: Sequence[memoryview]) -> None:
        """Writes arrays to a block that begins at an offset."""
        for (start, stop), view in zip(lay_out(map(len, data)), data, strict=True):
            self._memory[offset + start : offset + stop] = view

    def read(self, offset: int, tensors: Sequence[Tensor | TensorView], limit_bytes: int) -> list[TensorView]:
        """Returns tensors with their data, of which this is a copy.

        Args:
            offset: where they begin.
            tensors: without data.
            limit_bytes: what they may take.

        Raises:
            DataLoss: they take more.
        """
        size = size_of(tensors)
        if size > limit_bytes:
            raise DataLoss(f"an array is said to take {size} bytes of the {limit_bytes} that it was given")
        return fill(tensors, bytes(self._memory[offset : offset + size]))

    def _find_room(self, size: int) -> int | None:
        if not self._taken:
            return 0 if size <= self._byte_size else None
        first, last = self._taken[0][0], self._taken[-1][1]
        if first < last:
            if size <= self._byte_size - last:
                return last
            return 0 if size < first else None
        return last if size < first - last else None
