"""Memory that a graph reads from and writes to: at fixed addresses, used again from batch to batch."""

from __future__ import annotations

import abc
import collections
import dataclasses
import math
from collections.abc import Callable, Collection

import numpy as np
import onnxruntime

from synthmill.sampling.signature import INDEX, LABEL, SEED, TRUNCATION, Signature


@dataclasses.dataclass(frozen=True)
class Shape:
    """What tells slots of one graph apart.

    Attributes:
        size: samples in the batch.
        shared: whether one seed and one truncation serve all samples, or each has its own.
        truncated: whether the latent vectors are scaled; if not, the graph's own default holds.
    """

    size: int
    shared: bool = True
    truncated: bool = False


@dataclasses.dataclass(frozen=True)
class Field:
    """An array that a slot has: an input or an output of the graph."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


class Slot(abc.ABC):
    """The memory of one batch.

    Args:
        shape: size of the batch, and which inputs are fed.

    Attributes:
        shape: as given.
        inputs: arrays to fill before a run, by name.
        outputs: columns that the last run has made; the next run overwrites them.
        seconds: time that the last run took.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.inputs: dict[str, np.ndarray] = {}
        self.outputs: dict[str, np.ndarray] = {}
        self.seconds = 0.0

    @abc.abstractmethod
    def run(self) -> None:
        """Computes the batch; other threads run meanwhile."""

    @abc.abstractmethod
    def close(self) -> None:
        """Gives the memory back; the slot is not used any more."""


class HostSlot(Slot):
    """A batch in ordinary memory, bound to a session on the CPU.

    Args:
        session: runs the graph.
        signature: what it takes and makes.
        shape: size of the batch, and which inputs are fed.
    """

    def __init__(self, session: onnxruntime.InferenceSession, signature: Signature, shape: Shape) -> None:
        super().__init__(shape)
        self.inputs = {field.name: np.zeros(field.shape, field.dtype) for field in input_fields(signature, shape)}
        self._session = session
        self._names = list(signature.outputs)
        self._binding = None if signature.has_strings else self._bind(signature)

    def run(self) -> None:
        if self._binding is None:
            made = self._session.run(self._names, self.inputs)
            self.outputs = dict(zip(self._names, made, strict=True))
        else:
            self._session.run_with_iobinding(self._binding)

    def close(self) -> None:
        """Does nothing: the memory is Python's."""

    def _bind(self, signature: Signature) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        for name, array in self.inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for field in output_fields(signature, self.shape):
            array = self.outputs[field.name] = np.empty(field.shape, field.dtype)
            binding.bind_output(field.name, "cpu", 0, field.dtype.type, array.shape, array.ctypes.data)
        return binding


class SlotPool:
    """Slots of one graph that are not in use, by shape; safe to use from several threads.

    Args:
        make: makes a slot when there is none.
    """

    def __init__(self, make: Callable[[Shape], Slot]) -> None:
        self._make = make
        self._free: dict[Shape, collections.deque[Slot]] = collections.defaultdict(collections.deque)

    def take(self, shape: Shape) -> Slot:
        """Returns a slot for the caller alone."""
        try:
            return self._free[shape].pop()
        except IndexError:
            return self._make(shape)

    def give_back(self, slot: Slot) -> None:
        """Takes a slot back; its outputs may be overwritten from now on."""
        self._free[slot.shape].append(slot)

    def fill(self, shape: Shape, count: int) -> None:
        """Makes slots until there are so many that are free."""
        for slot in [self.take(shape) for _ in range(count)]:
            self.give_back(slot)

    def keep_only(self, sizes: Collection[int]) -> None:
        """Closes the free slots of all other batch sizes."""
        for shape in [shape for shape in self._free if shape.size not in sizes]:
            for slot in self._free.pop(shape):
                slot.close()


def input_fields(signature: Signature, shape: Shape) -> list[Field]:
    """Returns the inputs that a slot feeds."""
    own = 1 if shape.shared else shape.size
    fields = [Field(SEED, np.dtype(np.uint64), (own,)), Field(INDEX, np.dtype(np.int64), (shape.size,))]
    if signature.classes:
        fields.append(Field(LABEL, np.dtype(np.int64), (shape.size,)))
    if shape.truncated:
        fields.append(Field(TRUNCATION, np.dtype(np.float32), (own,)))
    return fields


def output_fields(signature: Signature, shape: Shape) -> list[Field]:
    """Returns the outputs that a slot receives."""
    return [Field(column.name, column.dtype, (shape.size, *column.shape)) for column in signature.columns]
