"""Settings of the sampling service."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar

from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.errors import InvalidField
from synthmill.sampling.providers import PREFERENCE


@dataclasses.dataclass(frozen=True)
class SamplingConfig(ServiceConfig):
    """Settings of the sampling service."""

    service: ClassVar[str] = "sampling"

    providers: str = setting(",".join(PREFERENCE), "execution providers in order of preference, with commas")
    threads: int = setting(1, "CPU threads for one batch; 0 means one per core")
    workers: int = setting(0, "batches that are computed at the same time; 0 means one per core")
    max_models: int = setting(16, "model versions kept in memory; the one unused for longest makes room")
    model_memory_mb: int = setting(4096, "memory for model versions, in MiB; the one unused for longest makes room")
    max_wait_s: float = setting(1.0, "a request that would wait for longer is refused as overload, in seconds")
    answer_memory_mb: int = setting(512, "memory for answers and for chunks of streams under way, in MiB")
    batch_delay_ms: float = setting(0.0, "how long a few small requests wait for others to share a batch, in ms")
    batch_requests: bool = setting(True, "whether small requests share batches; if not, each is computed on its own")
    fresh_s: float = setting(1.0, "how long an answer of the catalog is believed, in seconds")
    system_shared_memory: bool = setting(
        False, "whether clients of the Open Inference Protocol may pass tensors through POSIX shared memory"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in (
            ("threads", 0, 1024),
            ("workers", 0, 1024),
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
            if provider not in PREFERENCE:
                raise InvalidField("providers", provider, "some of " + ", ".join(PREFERENCE))

    @property
    def wanted_providers(self) -> tuple[str, ...]:
        """Execution providers in order of preference."""
        return tuple(name.strip() for name in self.providers.split(","))

    @property
    def worker_count(self) -> int:
        """Batches that are computed at the same time."""
        return self.workers or os.cpu_count() or 1
