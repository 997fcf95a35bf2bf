"""Settings of the evaluation service."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from synthmill.runtime.addresses import default_address
from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.errors import InvalidField

ACCELERATORS = ("auto", "cpu", "cuda")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(ServiceConfig):
    """Settings of the evaluation service."""

    service: ClassVar[str] = "evaluation"

    sampling_address: str = setting(default_address("sampling"), "where the sampling service listens")
    accelerator: str = setting("auto", "what probes learn on: " + ", ".join(ACCELERATORS))
    threads: int = setting(1, "CPU threads of a job; 0 means one per core, which is slower for small images")
    concurrent_jobs: int = setting(1, "jobs that run at the same time")
    catalog_patience_s: float = setting(600.0, "how long a job waits for a catalog that cannot be reached, in seconds")
    sampling_patience_s: float = setting(
        600.0, "how long a job waits for a sampling service that cannot be reached or is overloaded, in seconds"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accelerator not in ACCELERATORS:
            raise InvalidField("accelerator", self.accelerator, "one of " + ", ".join(ACCELERATORS))
        for name, low, high in (
            ("threads", 0, 1024),
            ("concurrent_jobs", 1, 1024),
            ("catalog_patience_s", 0, 86_400),
            ("sampling_patience_s", 0, 86_400),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidField(name, getattr(self, name), f"{low} to {high}")
