"""What batches need of a device that has memory of its own, and how arrays lie in a block of that memory."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from synthmill.sampling.slots import Field

# What cudaMalloc aligns to; kernels may be picked by the alignment of an address.
_ALIGNMENT = 256


class DeviceError(RuntimeError):
    """A device is missing, refused a call, or does not compute what it should."""


@dataclasses.dataclass(frozen=True)
class Block:
    """Memory of the same size on both sides, at addresses that stay.

    Attributes:
        host: uint8 (size,), page-locked so that the device copies it on its own.
        address: where the device's part begins.
    """

    host: np.ndarray
    address: int


class Device(Protocol):
    """A device with two streams of work: one computes, the other brings results back meanwhile.

    `open`, `upload`, `download` and whatever computes belong to one thread; any thread may `wait`.

    Attributes:
        kind: what ONNX Runtime calls such a device: "cuda".
        index: which of them.
    """

    kind: str
    index: int

    def open(self) -> None:
        """Makes the device ready for the calling thread.

        Raises:
            DeviceError: there is no such device.
        """

    @property
    def compute_stream(self) -> int:
        """Handle of the stream that computes."""

    @property
    def hardware(self) -> str:
        """What must be equal for two machines to compute with the same kernels: the model and the driver."""

    def allocate(self, size_bytes: int) -> Block:
        """Returns memory of at least one byte, filled with zeros on the host."""

    def free(self, block: Block) -> None:
        """Gives a block back."""

    def make_mark(self) -> Any:
        """Returns what one batch is waited for with."""

    def upload(self, block: Block) -> None:
        """Orders a copy to the device, before what is computed next."""

    def download(self, block: Block, mark: Any) -> None:
        """Orders a copy to the host, after what was computed last and beside what is computed next."""

    def wait(self, mark: Any) -> None:
        """Waits for the last copy to the host that was ordered with a mark; other threads run meanwhile."""

    def settle(self) -> None:
        """Ends a capture that has failed half-way, and waits until nothing is under way."""

    def close(self) -> None:
        """Ends what was opened; blocks are freed before."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where arrays lie in a block.

    Attributes:
        fields: the arrays.
        offsets: where each begins.
        size_bytes: size of the block.
    """

    fields: tuple[Field, ...]
    offsets: tuple[int, ...]
    size_bytes: int

    @classmethod
    def of(cls, fields: Sequence[Field]) -> Layout:
        """Lays arrays one after the other, each aligned."""
        rooms = [-(-field.size_bytes // _ALIGNMENT) * _ALIGNMENT for field in fields]
        *offsets, end = itertools.accumulate(rooms, initial=0)
        return cls(tuple(fields), tuple(offsets), end)

    def views(self, host: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the arrays of a block's host side, by name."""
        return {
            field.name: host[offset : offset + field.size_bytes].view(field.dtype).reshape(field.shape)
            for field, offset in zip(self.fields, self.offsets, strict=True)
        }
