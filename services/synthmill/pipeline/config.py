"""Settings of the pipeline service."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from synthmill.runtime.addresses import default_address
from synthmill.runtime.config import ServiceConfig, setting
from synthmill.runtime.errors import InvalidField


@dataclasses.dataclass(frozen=True)
class PipelineConfig(ServiceConfig):
    """Settings of the pipeline service."""

    service: ClassVar[str] = "pipeline"
    packages: ClassVar[tuple[str, ...]] = (*ServiceConfig.packages, "synthmill.pipeline")

    augmentation_address: str = setting(default_address("augmentation"), "where the augmentation service listens")
    training_address: str = setting(default_address("training"), "where the training service listens")
    sampling_address: str = setting(default_address("sampling"), "where the sampling service listens")
    evaluation_address: str = setting(default_address("evaluation"), "where the evaluation service listens")
    concurrent_jobs: int = setting(1, "loops that run at the same time")
    patience_s: float = setting(
        600.0, "how long a loop waits for a service that cannot be reached or is overloaded, in seconds"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, low, high in (("concurrent_jobs", 1, 1024), ("patience_s", 0, 86_400)):
            if not low <= getattr(self, name) <= high:
                raise InvalidField(name, getattr(self, name), f"{low} to {high}")
