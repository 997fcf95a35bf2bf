"""A device that is memory of this process, with ONNX Runtime's CPU where a GPU would compute: our own seam for both.

It is as late as a device may be: what is ordered to come back is there only when somebody has waited for it.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import onnxruntime

from synthmill.sampling.device import Block, Device
from synthmill.sampling.runners import DeviceRunner


class MemoryDevice:
    """See `Device`.

    Attributes:
        blocks: memory that was given out and not given back: the device's side by address, and the block.
        orders: names of the threads that gave orders.
        waits: names of the threads that waited.
        open_now: whether it is open.
    """

    kind = "cpu"
    index = 0
    hardware = "memory"
    compute_stream = 0

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[np.ndarray, Block]] = {}
        self.orders: set[str] = set()
        self.waits: set[str] = set()
        self.open_now = False
        self._settled = False
        self._late: dict[int, list[Block]] = {}
        self._marks = itertools.count()

    def open(self) -> None:
        self._note_order()
        self.open_now = True

    def allocate(self, size_bytes: int) -> Block:
        self._note_order()
        assert size_bytes
        memory = np.full(size_bytes, 0xAA, np.uint8)
        block = Block(np.zeros(size_bytes, np.uint8), memory.ctypes.data)
        self.blocks[block.address] = memory, block
        return block

    def free(self, block: Block) -> None:
        self._note_order()
        del self.blocks[block.address]

    def make_mark(self) -> int:
        return next(self._marks)

    def upload(self, block: Block) -> None:
        self._note_order()
        self.blocks[block.address][0][:] = block.host

    def download(self, block: Block, mark: int) -> None:
        self._note_order()
        self._late.setdefault(mark, []).append(block)

    def wait(self, mark: int) -> None:
        self.waits.add(threading.current_thread().name)
        for block in self._late.pop(mark):
            block.host[:] = self.blocks[block.address][0]

    def settle(self) -> None:
        self._note_order()
        self._settled = True

    def close(self) -> None:
        self._note_order()
        assert self._settled
        assert not self.blocks
        self.open_now = False

    def _note_order(self) -> None:
        self.orders.add(threading.current_thread().name)


class WatchedSession:
    """A session that tells which graphs it was asked to run, and may replay them as badly as a bad provider.

    Args:
        data: the ONNX file.
        stale: whether a graph, once captured, gives the outputs of its first inputs for ever.

    Attributes:
        graphs: numbers of the graphs that were run, in order.
    """

    def __init__(self, data: bytes, *, stale: bool = False) -> None:
        self.graphs: list[int] = []
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._stale = stale

    def run_with_iobinding(self, binding: onnxruntime.IOBinding, options: onnxruntime.RunOptions) -> None:
        graph = int(options.get_run_config_entry("gpu_graph_id"))
        replayed = graph in self.graphs
        self.graphs.append(graph)
        if not (self._stale and replayed and graph > 0):
            self._session.run_with_iobinding(binding, options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def runner_of(
    data: bytes, device: Device | None = None, *, captures: bool = True, stale: bool = False, **more: Any
) -> DeviceRunner:
    """Opens a graph on memory as on a device; the runner's `session` is a `WatchedSession`."""
    opened = DeviceRunner(
        device or MemoryDevice(), lambda _device: WatchedSession(data, stale=stale), captures=captures, **more
    )
    opened.open()
    return opened
