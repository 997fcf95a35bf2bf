"""Memory that a caller lends to a stream."""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets

import numpy as np

from synthmill.runtime.blocks import bytes_of, fill
from synthmill.runtime.tensors import from_tensor, to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1.tensor_pb2 import Tensor

SIZE = 1 << 18
ROOM = 4096


class Lent:
    """Memory of a caller.

    Attributes:
        offer: of it.
        memory: its bytes.
    """

    def __init__(self, seals: int = fcntl.F_SEAL_SHRINK) -> None:
        key = secrets.token_hex(16)
        self.descriptor = os.memfd_create(f"synthmill-{key}", os.MFD_ALLOW_SEALING)
        os.truncate(self.descriptor, SIZE)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        self.memory = mmap.mmap(self.descriptor, SIZE)
        self.offer = pb.SharedMemory(process_id=os.getpid(), descriptor=self.descriptor, key=key, byte_size=SIZE)

    def close(self) -> None:
        """Lets nobody else find it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def record(self, image: np.ndarray, number: int, room: int = ROOM) -> pb.AugmentationRecord:
        """Puts an image, and room for its result, into blocks of their own; returns a record without data."""
        start = 2 * ROOM * number
        self.memory[start : start + image.nbytes] = bytes(bytes_of(image))
        block = pb.Block(offset=start, byte_size=image.nbytes)
        result_block = pb.Block(offset=start + ROOM, byte_size=room)
        return pb.AugmentationRecord(arrays=[described(image)], block=block, result_block=result_block)

    def image(self, result: pb.AugmentationResult, number: int) -> np.ndarray:
        """Returns the image of a result, wherever it is."""
        if not result.in_block:
            return from_tensor(result.arrays[0])
        start = 2 * ROOM * number + ROOM
        [tensor] = fill(result.arrays, bytes(self.memory[start : start + ROOM]))
        return from_tensor(tensor)


def described(image: np.ndarray) -> Tensor:
    tensor = to_tensor("image", image)
    tensor.ClearField("data")
    return tensor
