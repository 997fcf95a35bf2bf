"""Whether this machine has a GPU that ONNX Runtime can use."""

from __future__ import annotations

import functools

import onnxruntime

from synthmill.sampling.device import DeviceError
from synthmill.sampling.hardware import CUDA, TENSORRT


@functools.cache
def why_no_cuda() -> str:
    """Returns why tests that need a GPU are skipped, nothing if there is one; then missing libraries are a failure."""
    if CUDA not in onnxruntime.get_available_providers():
        return "needs a CUDA device: this ONNX Runtime has no CUDA; install synthmill[sampling-gpu] in its place"
    try:
        from synthmill.sampling.cuda_device import device_count
    except ImportError:
        return "needs a CUDA device: cuda-bindings is not installed"
    try:
        return "" if device_count() else "needs a CUDA device: there is none"
    except DeviceError as error:
        return f"needs a CUDA device: {error}"


@functools.cache
def why_no_tensorrt() -> str:
    """Returns why tests that need TensorRT are skipped, nothing if it can be had."""
    if why_no_cuda():
        return why_no_cuda()
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        return "needs TensorRT: the package tensorrt is not installed"
    return "" if TENSORRT in onnxruntime.get_available_providers() else "needs an ONNX Runtime with TensorRT"
