"""Settings of the augmentation service."""

from __future__ import annotations

import dataclasses
import os
from typing import ClassVar

from synthmill.runtime.config import MIB, ServiceConfig, setting
from synthmill.runtime.errors import InvalidField

ACCELERATORS = ("cpu", "cuda", "auto")


@dataclasses.dataclass(frozen=True)
class AugmentationConfig(ServiceConfig):
    """Settings of the augmentation service."""

    service: ClassVar[str] = "augmentation"

    # A picture of 16 million pixels has 48 MiB.
    max_message_bytes: int = setting(64 * MIB, "largest message that is sent or received, in bytes")
    accelerator: str = setting(
        "cpu",
        "what calls and streams move and colour images on: " + ", ".join(ACCELERATORS) + "; CUDA's results differ by a "
        "level now and then from those of the CPU, which jobs always have",
    )
    threads: int = setting(0, "records that are worked at side by side; 0 means one per core")
    worker_processes: int = setting(
        0, "processes that work at records in shared memory; 0 means one per core, -1 none: then threads do it"
    )
    memory_mb: int = setting(1024, "memory for the records of calls and streams under way, in MiB")
    shared_memory: bool = setting(
        True, "whether streams of callers on this machine, of the same user, may pass arrays through shared memory"
    )
    max_pools: int = setting(8, "dataset versions kept open to mix records with; the one unused for longest makes room")
    fresh_s: float = setting(1.0, "how long an answer of the catalog is believed, in seconds")
    concurrent_jobs: int = setting(1, "jobs that run at the same time")
    checkpoint_interval_s: float = setting(2.0, "least time between checkpoints of a job, in seconds")
    catalog_patience_s: float = setting(600.0, "how long a job waits for a catalog that cannot be reached, in seconds")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accelerator not in ACCELERATORS:
            raise InvalidField("accelerator", self.accelerator, "one of " + ", ".join(ACCELERATORS))
        for name, low, high in (
            ("threads", 0, 1024),
            ("worker_processes", -1, 1024),
            ("memory_mb", 1, 1 << 24),
            ("max_pools", 1, 1024),
            ("fresh_s", 0, 60),
            ("concurrent_jobs", 1, 1024),
            ("checkpoint_interval_s", 0, 86_400),
            ("catalog_patience_s", 0, 86_400),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidField(name, getattr(self, name), f"{low} to {high}")

    @property
    def thread_count(self) -> int:
        """Records that are worked at side by side."""
        return self.threads or os.cpu_count() or 1

    @property
    def child_count(self) -> int:
        """Processes that work at records in shared memory."""
        if self.worker_processes < 0 or not self.shared_memory:
            return 0
        return self.worker_processes or os.cpu_count() or 1
