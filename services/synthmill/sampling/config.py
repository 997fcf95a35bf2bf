"""Settings of the sampling service."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar, Self

from synthmill.runtime.config import MIB, ONLY, ProcessesConfig, setting
from synthmill.runtime.errors import InvalidField
from synthmill.sampling.hardware import KNOWN, PRECISIONS, PREFERENCE, TENSORRT, GpuSettings


@dataclasses.dataclass(frozen=True)
class SamplingConfig(ProcessesConfig):
    """Settings of the sampling service."""

    service: ClassVar[str] = "sampling"

    providers: str = setting(",".join(PREFERENCE), "execution providers in order of preference, with commas")
    threads: int = setting(1, "CPU threads for one batch; 0 means one per core")
    workers: int = setting(
        0, "batches computed at the same time, by all processes together; 0 means one per core, or 3 on a GPU"
    )
    gpu: int = setting(0, "number of the GPU that models run on")
    gpu_memory_mb: int = setting(0, "GPU memory for the weights and batches of one model, in MiB; 0 means no limit")
    gpu_precision: str = setting("float32", "least precision on a GPU: " + ", ".join(PRECISIONS))
    cuda_graphs: bool = setting(True, "whether batches are replayed as CUDA graphs where a model allows it")
    max_models: int = setting(16, "model versions each process keeps; the one unused for longest makes room")
    model_memory_mb: int = setting(
        4096, "memory for model versions, of all processes, in MiB; the one unused for longest makes room"
    )
    max_wait_s: float = setting(1.0, "a request that would wait for longer is refused as overload, in seconds")
    answer_memory_mb: int = setting(512, "memory for answers and chunks of streams under way, of all processes, in MiB")
    batch_delay_ms: float = setting(0.0, "how long a few small requests wait for others to share a batch, in ms")
    batch_requests: bool = setting(True, "whether small requests share batches; if not, each is computed on its own")
    fresh_s: float = setting(1.0, "how long an answer of the catalog is believed, in seconds")
    system_shared_memory: bool = setting(
        False, "whether clients of the Open Inference Protocol may pass tensors through POSIX shared memory"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.migrate == ONLY:
            raise InvalidField("migrate", ONLY, "nothing: the service has no database")
        for name, low, high in (
            ("threads", 0, 1024),
            ("workers", 0, 1024),
            ("gpu", 0, 1024),
            ("gpu_memory_mb", 0, 1 << 24),
            ("max_models", 1, 10_000),
            ("fresh_s", 0, 60),
            ("model_memory_mb", 1, 1 << 24),
            ("max_wait_s", 0.01, 3600),
            ("answer_memory_mb", 1, 1 << 24),
            ("batch_delay_ms", 0, 1000),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidField(name, getattr(self, name), f"{low} to {high}")
        for provider in self.wanted_providers:
            if provider not in KNOWN:
                raise InvalidField("providers", provider, "some of " + ", ".join(KNOWN))
        if self.gpu_precision not in PRECISIONS:
            raise InvalidField("gpu_precision", self.gpu_precision, "one of " + ", ".join(PRECISIONS))
        if self.gpu_precision == "float16" and TENSORRT not in self.wanted_providers:
            raise InvalidField("gpu_precision", self.gpu_precision, f"float16 only with {TENSORRT} among the providers")

    @property
    def wanted_providers(self) -> tuple[str, ...]:
        """Execution providers in order of preference."""
        return tuple(name.strip() for name in self.providers.split(","))

    @property
    def gpu_settings(self) -> GpuSettings:
        """How a GPU is used."""
        cache = self.folder / "tensorrt"
        return GpuSettings(self.gpu, self.gpu_memory_mb * MIB, self.gpu_precision, self.cuda_graphs, cache)

    def share(self, number: int) -> Self:
        """Returns the settings of one of the processes: workers and memory are divided among them."""
        divided = {
            "workers": self.workers or os.cpu_count() or 1,
            "model_memory_mb": self.model_memory_mb,
            "answer_memory_mb": self.answer_memory_mb,
        }
        parts = {name: self.part(total, number) for name, total in divided.items()}
        return dataclasses.replace(super().share(number), **parts)
