"""NVIDIA GPUs through NVIDIA's own bindings; no call of them holds Python's lock while it waits."""

from __future__ import annotations

import dataclasses
import mmap
import threading
from typing import Any

import numpy as np
from cuda.bindings import runtime

from synthmill.sampling.device import Block, DeviceError

_TO_DEVICE = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
_TO_HOST = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
_NOT_CAPTURING = runtime.cudaStreamCaptureStatus.cudaStreamCaptureStatusNone
# Who waits for an event sleeps; by default it would keep a core busy.
_EVENT_FLAGS = runtime.cudaEventBlockingSync | runtime.cudaEventDisableTiming

_thread = threading.local()


def device_count() -> int:
    """Returns the number of GPUs.

    Raises:
        DeviceError: there is no driver, or none that is new enough.
    """
    return _call(runtime.cudaGetDeviceCount())


@dataclasses.dataclass(frozen=True)
class Mark:
    """Events of one batch: it was computed; it has arrived."""

    computed: Any
    arrived: Any


class CudaDevice:
    """One GPU; see `Device`.

    Args:
        index: its number.
    """

    kind = "cuda"

    def __init__(self, index: int) -> None:
        self.index = index
        self._compute: Any = None
        self._copy: Any = None
        self._marks: list[Mark] = []

    def open(self) -> None:
        count = device_count()
        if not self.index < count:
            raise DeviceError(f"there is no GPU {self.index}, only {count}")
        self._enter()
        # Neither waits for the other, nor for the stream that CUDA uses by default.
        self._compute = _call(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))
        self._copy = _call(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking))

    @property
    def compute_stream(self) -> int:
        return int(self._compute)

    @property
    def hardware(self) -> str:
        about = _call(runtime.cudaGetDeviceProperties(self.index))
        driver = _call(runtime.cudaDriverGetVersion())
        return f"{about.name.decode()}, compute capability {about.major}.{about.minor}, driver {driver}"

    def allocate(self, size_bytes: int) -> Block:
        host = np.frombuffer(mmap.mmap(-1, size_bytes), np.uint8)
        _call(runtime.cudaHostRegister(host.ctypes.data, size_bytes, runtime.cudaHostRegisterDefault))
        try:
            return Block(host, int(_call(runtime.cudaMalloc(size_bytes))))
        except DeviceError:
            _call(runtime.cudaHostUnregister(host.ctypes.data))
            raise

    def free(self, block: Block) -> None:
        _call(runtime.cudaFree(block.address))
        _call(runtime.cudaHostUnregister(block.host.ctypes.data))

    def make_mark(self) -> Mark:
        mark = Mark(*(_call(runtime.cudaEventCreateWithFlags(_EVENT_FLAGS)) for _ in range(2)))
        self._marks.append(mark)
        return mark

    def upload(self, block: Block) -> None:
        size = block.host.nbytes
        _call(runtime.cudaMemcpyAsync(block.address, block.host.ctypes.data, size, _TO_DEVICE, self._compute))

    def download(self, block: Block, mark: Mark) -> None:
        size = block.host.nbytes
        _call(runtime.cudaEventRecord(mark.computed, self._compute))
        _call(runtime.cudaStreamWaitEvent(self._copy, mark.computed, runtime.cudaEventWaitDefault))
        _call(runtime.cudaMemcpyAsync(block.host.ctypes.data, block.address, size, _TO_HOST, self._copy))
        _call(runtime.cudaEventRecord(mark.arrived, self._copy))

    def wait(self, mark: Mark) -> None:
        self._enter()
        _call(runtime.cudaEventSynchronize(mark.arrived))

    def settle(self) -> None:
        if self._copy is None:
            return
        if _call(runtime.cudaStreamIsCapturing(self._compute)) != _NOT_CAPTURING:
            # What it returns tells once more that the capture has failed.
            runtime.cudaStreamEndCapture(self._compute)
        _call(runtime.cudaStreamSynchronize(self._compute))
        _call(runtime.cudaStreamSynchronize(self._copy))

    def close(self) -> None:
        for stream in (self._compute, self._copy):
            if stream is not None:
                _call(runtime.cudaStreamDestroy(stream))
        self._compute = self._copy = None
        for mark in self._marks:
            _call(runtime.cudaEventDestroy(mark.computed))
            _call(runtime.cudaEventDestroy(mark.arrived))
        self._marks.clear()

    def _enter(self) -> None:
        """Makes this GPU the calling thread's, and keeps captures of other threads from failing its calls.

        ONNX Runtime captures in CUDA's global mode. While it does, CUDA fails calls of other threads such as an
        allocation, unless a thread has said that it has no part in their captures.
        """
        if getattr(_thread, "index", None) != self.index:
            _call(runtime.cudaSetDevice(self.index))
            mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
            _call(runtime.cudaThreadExchangeStreamCaptureMode(mode))
            _thread.index = self.index


def _call(result: tuple[Any, ...]) -> Any:
    """Returns the value of a call.

    Raises:
        DeviceError: it failed.
    """
    error, *values = result
    if error != runtime.cudaError_t.cudaSuccess:
        _, text = runtime.cudaGetErrorString(error)
        raise DeviceError(f"{error.name}: {text.decode()}")
    return values[0] if values else None
