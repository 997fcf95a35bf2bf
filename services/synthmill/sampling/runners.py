"""What a graph runs on once it is open: a session on the CPU, or one that keeps its batches on a device."""

from __future__ import annotations

import contextlib
import itertools
import logging
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import onnxruntime

from synthmill.sampling.device import Device, DeviceError
from synthmill.sampling.device_slots import UNCAPTURED, DeviceSession
from synthmill.sampling.signature import INDEX, LABEL, SEED, TRUNCATION, Signature
from synthmill.sampling.slots import HostSlot, Shape, Slot

_PROOF_RUNS = 2

_log = logging.getLogger(__name__)


class Runner(Protocol):
    """An open graph.

    Attributes:
        session: tells about the graph; only slots may run it.
    """

    session: onnxruntime.InferenceSession

    def make_slot(self, signature: Signature, shape: Shape) -> Slot:
        """Returns a new slot."""

    def prepare(self, signature: Signature, sizes: Sequence[int]) -> None:
        """Does what has to be done once before batches of these sizes, ascending, are run."""

    def seal(self) -> None:
        """Ends the loading: from now on there is traffic."""

    def close(self) -> None:
        """Gives back what the graph holds; its slots are not used any more."""


class HostRunner:
    """A graph on the CPU; see `Runner`."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session

    def make_slot(self, signature: Signature, shape: Shape) -> Slot:
        return HostSlot(self.session, signature, shape)

    def prepare(self, signature: Signature, sizes: Sequence[int]) -> None:
        """Does nothing: a session on the CPU is ready."""

    def seal(self) -> None:
        """Does nothing: slots are the same at any time."""

    def close(self) -> None:
        """Does nothing: all of it is Python's."""


class DeviceRunner:
    """A graph on a device; see `Runner`. `open` it before anything else.

    Slots that are made while the graph is loaded have a CUDA graph each, if wanted. A capture needs memory and time, so
    those that traffic turns out to need on top are run without. Every slot made while loading has to prove itself: what
    it brings back must be, to the bit, what ONNX Runtime computes of plain arrays.

    Args:
        device: where the graph runs.
        open_session: opens it on the device.
        captures: whether to capture CUDA graphs.
        stretches: whether the provider builds its kernels for the sizes it has seen, so that it must see the extremes.
        forget: removes what was built, when the loading fails.
    """

    def __init__(
        self,
        device: Device,
        open_session: Callable[[Device], onnxruntime.InferenceSession],
        *,
        captures: bool,
        stretches: bool = False,
        forget: Callable[[Device], None] = lambda device: None,
    ) -> None:
        owner = ThreadPoolExecutor(1, thread_name_prefix=f"sampling-{device.kind}")
        self._home = DeviceSession(owner, device, open_session)
        self._graphs = itertools.count(1) if captures else itertools.repeat(UNCAPTURED)
        self._stretches = stretches
        self._forget = forget
        self._loading = True
        # Also without `close`, when nobody needs the model any more. At exit the system does it.
        self._closing = weakref.finalize(self, _close, owner, self._home)
        self._closing.atexit = False

    def open(self) -> None:
        """Opens device and session.

        Raises:
            DeviceError: there is no such device.
            Exception: what ONNX Runtime raises when it cannot start.
        """
        self._home.call(self._home.open)

    @property
    def session(self) -> onnxruntime.InferenceSession:
        return self._home.session

    def make_slot(self, signature: Signature, shape: Shape) -> Slot:
        graph = next(self._graphs) if self._loading else UNCAPTURED
        slot = self._home.call(self._home.add_slot, signature, shape, graph)
        if self._loading:
            self._prove(slot, signature)
        return slot

    def prepare(self, signature: Signature, sizes: Sequence[int]) -> None:
        if signature.has_strings:
            raise DeviceError("a column of strings has no place on a device")
        for shape in extremes(sizes, signature.truncatable) if self._stretches else ():
            self.make_slot(signature, shape).close()

    def seal(self) -> None:
        self._loading = False

    def close(self) -> None:
        if self._loading:
            with contextlib.suppress(DeviceError):
                self._home.call(self._forget, self._home.device)
        self._closing()

    def _prove(self, slot: Slot, signature: Signature) -> None:
        """Runs a slot with different inputs.

        Raises:
            DeviceError: the last outputs are not those of the last inputs.
        """
        for number in range(_PROOF_RUNS):
            _fill(slot, signature.classes, number)
            slot.run()
        expected = self._home.call(self._home.compute, signature, dict(slot.inputs))
        for name, column in slot.outputs.items():
            if column.tobytes() != expected[name].tobytes():
                raise DeviceError(f"{name} of a batch of {slot.shape.size} is not what ONNX Runtime computes elsewhere")


def extremes(sizes: Sequence[int], truncatable: bool) -> tuple[Shape, Shape]:
    """Returns the batches that all others lie between: the largest, with inputs of its full size, and the smallest.

    TensorRT builds an engine for the sizes it has seen, best for the largest; one outside of them builds it anew.

    Args:
        sizes: batch sizes in ascending order.
        truncatable: whether the graph takes a scale of the latent vectors.
    """
    return Shape(sizes[-1], shared=False, truncated=truncatable), Shape(sizes[0])


def _fill(slot: Slot, classes: int, number: int) -> None:
    index = np.arange(slot.shape.size, dtype=np.int64) + number * slot.shape.size
    slot.inputs[INDEX][:] = index
    slot.inputs[SEED][:] = number + 1
    if LABEL in slot.inputs:
        slot.inputs[LABEL][:] = (index + number) % classes
    if TRUNCATION in slot.inputs:
        slot.inputs[TRUNCATION][:] = 1 / (number + 1)


def _close(owner: ThreadPoolExecutor, home: DeviceSession) -> None:
    # The interpreter may be about to end, and the device may be what has failed.
    with contextlib.suppress(RuntimeError):
        owner.submit(_close_logged, home)
    owner.shutdown(wait=False)


def _close_logged(home: DeviceSession) -> None:
    try:
        home.close()
    except Exception as error:
        _log.warning("a device did not take back everything: %s", error)
