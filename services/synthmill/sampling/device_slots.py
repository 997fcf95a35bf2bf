"""Batches in a device's memory: small copies in, one run, one copy out, at addresses that never change.

All calls of a session come from one thread, its owner. CUDA graphs want that: ONNX Runtime keeps those that it has
captured per thread. A worker hands its batch to the owner, which only orders the work, and waits for the result itself.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime

from synthmill.sampling.device import Device, Layout
from synthmill.sampling.signature import Signature
from synthmill.sampling.slots import Shape, Slot, input_fields, output_fields

# A run with this number is never captured.
UNCAPTURED = -1


class DeviceSession:
    """A session and its device, which only the owner thread touches.

    Args:
        owner: the one thread.
        device: where the graph runs.
        open_session: opens it on the device.

    Attributes:
        device: as given.
        session: the session.
    """

    def __init__(
        self,
        owner: ThreadPoolExecutor,
        device: Device,
        open_session: Callable[[Device], onnxruntime.InferenceSession],
    ) -> None:
        self.device = device
        self.session: onnxruntime.InferenceSession | None = None
        self._owner = owner
        self._open_session = open_session
        self._slots: list[DeviceSlot] = []

    def open(self) -> None:
        """Opens device and session; for the owner thread."""
        self.device.open()
        self.session = self._open_session(self.device)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Lets the owner thread call a function, and returns what it returns; not for the owner thread itself."""
        return self._owner.submit(function, *arguments).result()

    def add_slot(self, signature: Signature, shape: Shape, graph: int) -> DeviceSlot:
        """Makes a slot; for the owner thread."""
        slot = DeviceSlot(self, signature, shape, graph)
        self._slots.append(slot)
        return slot

    def remove_slot(self, slot: DeviceSlot) -> None:
        """Frees a slot; for the owner thread."""
        self._slots.remove(slot)
        slot.free()

    def compute(self, signature: Signature, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes a batch in the plain way, all copies by ONNX Runtime; for the owner thread."""
        names = list(signature.outputs)
        made = self.session.run(names, inputs, run_options(UNCAPTURED, wait=True))
        return dict(zip(names, made, strict=True))

    def close(self) -> None:
        """Gives everything back; for the owner thread."""
        self.device.settle()
        for slot in self._slots:
            slot.unbind()
        # Before the memory that its graphs write to.
        self.session = None
        for slot in self._slots:
            slot.free()
        self._slots.clear()
        self.device.close()


class DeviceSlot(Slot):
    """A batch in a device's memory, and its copy in page-locked memory of the host.

    Args:
        home: session and device.
        signature: what the graph takes and makes.
        shape: size of the batch, and which inputs are fed.
        graph: number of the CUDA graph that the first run captures and later ones replay; `UNCAPTURED` for none.
    """

    def __init__(self, home: DeviceSession, signature: Signature, shape: Shape, graph: int) -> None:
        super().__init__(shape)
        self._home = home
        self._into = Layout.of(input_fields(signature, shape))
        self._from = Layout.of(output_fields(signature, shape))
        self._sent = home.device.allocate(self._into.size_bytes)
        self._received = home.device.allocate(self._from.size_bytes)
        self.inputs = self._into.views(self._sent.host)
        self.outputs = self._from.views(self._received.host)
        self._mark = home.device.make_mark()
        self._options = run_options(graph, wait=False)
        self._binding: onnxruntime.IOBinding | None = self._bind()

    def run(self) -> None:
        self._home.call(self._order)
        self._home.device.wait(self._mark)

    def close(self) -> None:
        self._home.call(self._home.remove_slot, self)

    def unbind(self) -> None:
        """Lets go of the session; for the owner thread."""
        self._binding = None

    def free(self) -> None:
        """Gives the memory back; for the owner thread."""
        self.unbind()
        self.inputs, self.outputs = {}, {}
        self._home.device.free(self._sent)
        self._home.device.free(self._received)

    def _order(self) -> None:
        device = self._home.device
        device.upload(self._sent)
        self._home.session.run_with_iobinding(self._binding, self._options)
        device.download(self._received, self._mark)

    def _bind(self) -> onnxruntime.IOBinding:
        binding, device = self._home.session.io_binding(), self._home.device
        for layout, block, bind in (
            (self._into, self._sent, binding.bind_input),
            (self._from, self._received, binding.bind_output),
        ):
            for field, offset in zip(layout.fields, layout.offsets, strict=True):
                address = block.address + offset
                bind(field.name, device.kind, device.index, field.dtype.type, field.shape, address)
        return binding


def run_options(graph: int, *, wait: bool) -> onnxruntime.RunOptions:
    """Returns the options of a run.

    Args:
        graph: number of the CUDA graph to capture or replay.
        wait: whether the run returns when all is computed, not when all is ordered.
    """
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph))
    # Replays heed this since ONNX Runtime 1.27 (its pull request 28686); older ones wait all the same.
    options.add_run_config_entry("disable_synchronize_execution_providers", "0" if wait else "1")
    return options
