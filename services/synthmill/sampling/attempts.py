"""The ways to run a graph, by provider: on a GPU with CUDA graphs and without, with TensorRT, on the CPU."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from synthmill.sampling.device import Device, DeviceError
from synthmill.sampling.gpu_options import cuda_options, engine_folder, session_options, tensorrt_options
from synthmill.sampling.hardware import CPU, CUDA, PREFERENCE, TENSORRT, GpuSettings
from synthmill.sampling.providers import TRAITS, Attempt
from synthmill.sampling.runners import DeviceRunner, HostRunner, Runner

_ERRORS_ONLY = 3
_LIBRARIES = {CUDA: "cuda", TENSORRT: "tensorrt"}


def plan_attempts(
    wanted: Sequence[str] = PREFERENCE, *, threads: int = 1, gpu: GpuSettings | None = None
) -> list[Attempt]:
    """Returns what to try, in order.

    Args:
        wanted: providers in order of preference.
        threads: CPU threads for one batch; zero means one per core.
        gpu: how a GPU is used.
    """
    return [attempt for provider in wanted for attempt in _PLANS[provider](threads, gpu or GpuSettings())]


def default_workers(wanted: Sequence[str]) -> int:
    """Returns how many batches to compute at the same time: as suits a GPU that is wanted and there, else the cores."""
    gpus = [provider for provider in wanted if provider in _LIBRARIES]
    if set(gpus) & set(onnxruntime.get_available_providers()) and _gpu_is_there():
        return TRAITS[gpus[0]].in_flight
    return os.cpu_count() or 1


def _cpu_attempts(threads: int, _gpu: GpuSettings) -> list[Attempt]:
    return [Attempt(CPU, CPU, functools.partial(_open_on_cpu, threads))]


def _cuda_attempts(_threads: int, gpu: GpuSettings) -> list[Attempt]:
    plain = Attempt(CUDA, CUDA, functools.partial(_open_on_cuda, gpu, captures=False))
    captured = Attempt(CUDA, f"{CUDA} with CUDA graphs", functools.partial(_open_on_cuda, gpu, captures=True))
    return [captured, plain] if gpu.graphs else [plain]


def _tensorrt_attempts(_threads: int, gpu: GpuSettings) -> list[Attempt]:
    return [Attempt(TENSORRT, TENSORRT, functools.partial(_open_on_tensorrt, gpu))]


_PLANS: Mapping[str, Callable[[int, GpuSettings], list[Attempt]]] = {
    CPU: _cpu_attempts,
    CUDA: _cuda_attempts,
    TENSORRT: _tensorrt_attempts,
}


def _open_on_cpu(threads: int, graph: bytes) -> Runner:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    return HostRunner(_open_session(graph, options, [(CPU, {})]))


def _open_on_cuda(gpu: GpuSettings, graph: bytes, *, captures: bool) -> Runner:
    def open_session(device: Device) -> onnxruntime.InferenceSession:
        options = cuda_options(gpu, device.compute_stream, captures=captures)
        return _open_session(graph, session_options(), [(CUDA, options)])

    return _opened(DeviceRunner(_gpu(gpu.index), open_session, captures=captures))


def _open_on_tensorrt(gpu: GpuSettings, graph: bytes) -> Runner:
    def open_session(device: Device) -> onnxruntime.InferenceSession:
        stream, engines = device.compute_stream, engine_folder(gpu, graph, device.hardware)
        engines.mkdir(parents=True, exist_ok=True)
        # CUDA computes what TensorRT does not take.
        providers = [
            (TENSORRT, tensorrt_options(gpu, stream, engines)),
            (CUDA, cuda_options(gpu, stream, captures=False)),
        ]
        return _open_session(graph, session_options(), providers)

    def forget(device: Device) -> None:
        # Engines of another TensorRT, or one half written: the next load builds them anew.
        shutil.rmtree(engine_folder(gpu, graph, device.hardware), ignore_errors=True)

    return _opened(DeviceRunner(_gpu(gpu.index), open_session, captures=False, stretches=True, forget=forget))


def _opened(runner: DeviceRunner) -> Runner:
    try:
        runner.open()
    except BaseException:
        runner.close()
        raise
    return runner


def _open_session(
    graph: bytes, options: onnxruntime.SessionOptions, providers: Sequence[tuple[str, dict[str, str]]]
) -> onnxruntime.InferenceSession:
    """Opens a graph on the first of some providers; those after it run what it does not take.

    Raises:
        DeviceError: the provider cannot start, or not with this graph.
    """
    first = providers[0][0]
    _find_libraries(first)
    try:
        # ONNX Runtime's own fallback prints to standard output and forgets the reason; when a run fails, it would open
        # the graph anew on the CPU without a word.
        session = onnxruntime.InferenceSession(graph, options, providers=list(providers), enable_fallback=0)
    except Exception as error:
        raise DeviceError(_missing_library(first) or str(error)) from error
    # It goes on without a provider that cannot start, and tells by leaving it out.
    if session.get_providers()[0] != first:
        raise DeviceError(_missing_library(first) or "ONNX Runtime left it out")
    return session


@functools.cache
def _find_libraries(provider: str) -> None:
    """Loads CUDA and cuDNN from NVIDIA's packages where they are installed: ONNX Runtime does not look there itself."""
    if provider in _LIBRARIES and hasattr(onnxruntime, "preload_dlls"):
        # It prints what it does not find, and standard output is not ours to fill.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def _missing_library(provider: str) -> str:
    """Returns which library of a provider's is missing, nothing if none is; ONNX Runtime tells that only so."""
    if provider not in _LIBRARIES:
        return ""
    path = Path(onnxruntime.__file__).parent / "capi" / f"libonnxruntime_providers_{_LIBRARIES[provider]}.so"
    name = f"{provider} on trial"
    try:
        onnxruntime.register_execution_provider_library(name, str(path))
    except Exception as error:
        return str(error).rpartition("with error: ")[2]
    onnxruntime.unregister_execution_provider_library(name)
    return ""


def _gpu(index: int) -> Device:
    return _cuda_module().CudaDevice(index)


def _gpu_is_there() -> bool:
    try:
        return _cuda_module().device_count() > 0
    except DeviceError:
        return False


def _cuda_module() -> Any:
    try:
        from synthmill.sampling import cuda_device
    except ImportError:
        raise DeviceError("cuda-bindings is not installed; it comes with synthmill[sampling-gpu]") from None
    return cuda_device
