"""What ONNX Runtime is told for a GPU, with the reasons.

Precision. `float32` keeps convolutions and matrix products in float32, so that a GPU's samples differ from a CPU's by
rounding alone. `tf32` lets tensor cores round their factors to ten bits: several times as fast, and the same bits from
run to run, but other ones than float32. `float16` lets TensorRT compute in float16 what it takes; nothing else here
changes a graph's types. `models compress` makes a version in float16 that runs so everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from synthmill.sampling.hardware import GpuSettings

_ERRORS_ONLY = 3

Options = dict[str, str]


def session_options() -> onnxruntime.SessionOptions:
    """Returns the options of a session on a GPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    # The GPU does the work; more threads would only spin while they wait for it.
    options.intra_op_num_threads = 1
    # A sample is the same bytes each time; where a faster kernel is not, it is not taken.
    options.use_deterministic_compute = True
    return options


def cuda_options(settings: GpuSettings, stream: int, *, captures: bool) -> Options:
    """Returns the options of the CUDA execution provider.

    Args:
        settings: how the GPU is used.
        stream: handle of the stream that everything is ordered on.
        captures: whether batches are captured as CUDA graphs.
    """
    options = {
        "device_id": str(settings.index),
        # Copies in and out are ordered on our streams, around the run.
        "user_compute_stream": str(stream),
        # A search by trial takes half a second for each shape, and may end differently on each replica.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Shapes are few and known, so the next power of two would be half waste.
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": str(int(settings.precision != "float32")),
        "enable_cuda_graph": str(int(captures)),
    }
    if settings.memory_bytes:
        options["gpu_mem_limit"] = str(settings.memory_bytes)
    return options


def tensorrt_options(settings: GpuSettings, stream: int, engines: Path) -> Options:
    """Returns the options of the TensorRT execution provider.

    Profiles are not among them. They would name the inputs of TensorRT's part of the graph, which are inner values:
    where it begins is known only when ONNX Runtime has divided the graph. Without them the provider builds its engine
    for the sizes it has seen, so a runner shows it the extremes once, and keeps sizes and engine in the cache.

    Args:
        settings: how the GPU is used.
        stream: handle of the stream that everything is ordered on.
        engines: folder for the engines of this graph on this hardware.
    """
    return {
        "device_id": str(settings.index),
        "user_compute_stream": str(stream),
        "trt_fp16_enable": str(int(settings.precision == "float16")),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(engines),
        # What was timed once serves all graphs, so that similar ones build faster and alike.
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(settings.cache),
        # The default; higher ones build for many minutes.
        "trt_builder_optimization_level": "3",
        # The noise stays in float32 with CUDA: float16 would ruin it, and TensorRT has none of its 64-bit integers. The
        # first three are what ONNX Runtime excludes by itself.
        "trt_op_types_to_exclude": "NonMaxSuppression,NonZero,RoiAlign,Log,Sin,Cos",
        # What is left of it between those operators is not worth an engine.
        "trt_min_subgraph_size": "5",
    }


def engine_folder(settings: GpuSettings, graph: bytes, hardware: str) -> Path:
    """Returns the folder for the engines of a graph, another one whenever an engine must not be used again.

    ONNX Runtime names an engine by the names in its graph, not by its weights: in one folder, a version would be served
    with the engine of the version before it.

    Args:
        settings: how the GPU is used.
        graph: the ONNX file.
        hardware: model and driver of the GPU.
    """
    about: Mapping[str, str] = {
        "graph": hashlib.sha256(graph).hexdigest(),
        "hardware": hardware,
        "precision": settings.precision,
        "onnxruntime": onnxruntime.get_build_info(),
        "version": onnxruntime.__version__,
    }
    return settings.cache / hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
