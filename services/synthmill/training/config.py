"""Settings of the training service."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.executors.names import EXECUTORS, LOCAL, check_executor

ACCELERATORS = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class TrainingConfig(ServiceConfig):
    """Settings of the training service."""

    service: ClassVar[str] = "training"

    accelerator: str = setting("auto", "what to train on: " + ", ".join(ACCELERATORS))
    precision: str = setting("auto", "numbers to train with: " + ", ".join(PRECISIONS))
    threads: int = setting(1, "CPU threads of a job; 0 means one per core, which is slower for small images")
    executor: str = setting(LOCAL, "where training jobs run that ask for nothing else: " + ", ".join(EXECUTORS))
    ray_address: str = setting(
        "", "host:port of a Ray cluster's head; empty means RAY_ADDRESS, else the one with a node here"
    )
    ray_patience_s: float = setting(600.0, "how long a job waits for room on the Ray cluster, in seconds")
    concurrent_jobs: int = setting(1, "jobs that run at the same time")
    checkpoint_interval_s: float = setting(10.0, "least time between checkpoints, in seconds; 0 writes one every step")
    picture_interval_s: float = setting(15.0, "least time between pictures of samples, in seconds")
    catalog_patience_s: float = setting(600.0, "how long a job waits for a catalog that cannot be reached, in seconds")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in (("accelerator", ACCELERATORS), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise InvalidField(name, getattr(self, name), "one of " + ", ".join(choices))
        check_executor(self.executor)
        for name, low, high in (
            ("threads", 0, 1024),
            ("ray_patience_s", 0, 86_400),
            ("concurrent_jobs", 1, 1024),
            ("checkpoint_interval_s", 0, 86_400),
            ("picture_interval_s", 0, 86_400),
            ("catalog_patience_s", 0, 86_400),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidField(name, getattr(self, name), f"{low} to {high}")
