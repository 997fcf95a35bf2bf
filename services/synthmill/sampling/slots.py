"""Memory that a graph reads from and writes to: at fixed addresses, used again from batch to batch."""

from __future__ import annotations

import collections
import dataclasses

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


class Slot:
    """The memory of one batch, bound to a session.

    Args:
        session: runs the graph.
        signature: what it takes and makes.
        shape: size of the batch, and which inputs are fed.

    Attributes:
        shape: as given.
        inputs: arrays to fill before a run, by name.
        outputs: columns that the last run has made; the next run overwrites them.
        seconds: time that the last run took.
    """

    def __init__(self, session: onnxruntime.InferenceSession, signature: Signature, shape: Shape) -> None:
        self.shape = shape
        own = 1 if shape.shared else shape.size
        self.inputs = {SEED: np.zeros(own, np.uint64), INDEX: np.zeros(shape.size, np.int64)}
        if signature.classes:
            self.inputs[LABEL] = np.zeros(shape.size, np.int64)
        if shape.truncated:
            self.inputs[TRUNCATION] = np.ones(own, np.float32)
        self.outputs: dict[str, np.ndarray] = {}
        self.seconds = 0.0
        self._session = session
        self._names = list(signature.outputs)
        self._binding = None if signature.has_strings else self._bind(signature)

    def run(self) -> None:
        """Computes the batch; other threads run meanwhile."""
        if self._binding is None:
            made = self._session.run(self._names, self.inputs)
            self.outputs = dict(zip(self._names, made, strict=True))
        else:
            self._session.run_with_iobinding(self._binding)

    def _bind(self, signature: Signature) -> onnxruntime.IOBinding:
        binding = self._session.io_binding()
        for name, array in self.inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for column in signature.columns:
            array = np.empty((self.shape.size, *column.shape), column.dtype)
            binding.bind_output(column.name, "cpu", 0, column.dtype.type, array.shape, array.ctypes.data)
            self.outputs[column.name] = array
        return binding


class SlotPool:
    """Slots of one graph that are not in use, by shape; safe to use from several threads.

    Args:
        session: runs the graph.
        signature: what it takes and makes.
    """

    def __init__(self, session: onnxruntime.InferenceSession, signature: Signature) -> None:
        self._session = session
        self._signature = signature
        self._free: dict[Shape, collections.deque[Slot]] = collections.defaultdict(collections.deque)

    def take(self, shape: Shape) -> Slot:
        """Returns a slot for the caller alone."""
        try:
            return self._free[shape].pop()
        except IndexError:
            return Slot(self._session, self._signature, shape)

    def give_back(self, slot: Slot) -> None:
        """Takes a slot back; its outputs may be overwritten from now on."""
        self._free[slot.shape].append(slot)
