"""What models may run on, as settings say it: names alone, for a process that computes nothing itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
KNOWN = (TENSORRT, CUDA, CPU)
# TensorRT is there for who asks for it. It builds an engine for minutes, each replica by its own timing, so that
# replicas differ in bits unless they share the engine; and as it takes no unsigned integers, the noise stays with CUDA
# and the whole cannot be captured as a CUDA graph.
PREFERENCE = (CUDA, CPU)

PRECISIONS = ("float32", "tf32", "float16")
"""Precisions on a GPU; `gpu_options` says what each means."""


@dataclasses.dataclass(frozen=True)
class GpuSettings:
    """How a GPU is used.

    Attributes:
        index: its number.
        memory_bytes: memory for the weights and batches of one model; zero means no limit.
        precision: one of `PRECISIONS`.
        graphs: whether batches are replayed as CUDA graphs where a graph allows it.
        cache: folder for what TensorRT builds.
    """

    index: int = 0
    memory_bytes: int = 0
    precision: str = "float32"
    graphs: bool = True
    cache: Path = Path("tensorrt")
