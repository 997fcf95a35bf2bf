"""The GPUs of this machine, asked of NVIDIA's management library, which comes with the driver.

Not by `nvidia-smi`: that is a process, and a service of many small calls must not start any.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Callable

from synthmill.v1 import status_pb2

_LIBRARY = "libnvidia-ml.so.1"
_SUCCESS = 0
_TEXT_BYTES = 96


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Refused(Exception):
    """The library has an answer other than success."""


def read_devices() -> list[status_pb2.Device]:
    """Returns the GPUs; none where there is no driver, or it does not answer."""
    library = _open_library()
    if library is None:
        return []
    with contextlib.suppress(_Refused):
        count = ctypes.c_uint()
        _ask(library.nvmlDeviceGetCount_v2, ctypes.byref(count))
        return [_read(library, index) for index in range(count.value)]
    return []


@functools.cache
def _open_library() -> ctypes.CDLL | None:
    with contextlib.suppress(OSError, AttributeError, _Refused):
        library = ctypes.CDLL(_LIBRARY)
        _ask(library.nvmlInit_v2)
        return library
    return None


def _read(library: ctypes.CDLL, index: int) -> status_pb2.Device:
    handle = ctypes.c_void_p()
    _ask(library.nvmlDeviceGetHandleByIndex_v2, ctypes.c_uint(index), ctypes.byref(handle))
    device = status_pb2.Device(
        id=_text(library.nvmlDeviceGetUUID, handle), name=_text(library.nvmlDeviceGetName, handle)
    )
    # A GPU that is shared out in parts tells neither of the whole.
    with contextlib.suppress(_Refused):
        memory = _Memory()
        _ask(library.nvmlDeviceGetMemoryInfo, handle, ctypes.byref(memory))
        device.memory_used_bytes, device.memory_total_bytes = memory.used, memory.total
    with contextlib.suppress(_Refused):
        utilization = _Utilization()
        _ask(library.nvmlDeviceGetUtilizationRates, handle, ctypes.byref(utilization))
        device.utilization = utilization.gpu / 100
    return device


def _text(function: Callable[..., int], handle: ctypes.c_void_p) -> str:
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    _ask(function, handle, text, ctypes.c_uint(_TEXT_BYTES))
    return text.value.decode()


def _ask(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != _SUCCESS:
        raise _Refused
