"""Settings of the catalog service."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from synthmill.runtime.config import ServiceConfig
from synthmill.runtime.errors import InvalidField


@dataclasses.dataclass(frozen=True)
class CatalogConfig(ServiceConfig):
    """Settings of the catalog service."""

    service: ClassVar[str] = "catalog"
    packages: ClassVar[tuple[str, ...]] = (*ServiceConfig.packages, "synthmill.catalog")

    allowed_roots: str = dataclasses.field(
        default="",
        metadata={"help": "folders that imports may read, separated as in PATH; empty means the current folder"},
    )
    max_upload_bytes: int = dataclasses.field(
        default=8 * 1024**3, metadata={"help": "largest file that an upload of a dataset may have, in bytes"}
    )
    max_model_bytes: int = dataclasses.field(
        default=512 * 1024**2, metadata={"help": "largest foreign model that may be imported, in bytes"}
    )
    concurrent_jobs: int = dataclasses.field(default=1, metadata={"help": "imports that run at the same time"})
    job_memory_mb: int = dataclasses.field(
        default=4096,
        metadata={"help": "memory that a worker may take for what it imports, in MiB; 0 means any amount"},
    )
    trial_s: float = dataclasses.field(
        default=120.0, metadata={"help": "how long the first samples of an imported model may take, in seconds"}
    )
    sweep_interval_s: float = dataclasses.field(
        default=30.0, metadata={"help": "how often files that nothing names any more are removed, in seconds"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.job_memory_mb and not 512 <= self.job_memory_mb <= 2**40:
            raise InvalidField("job_memory_mb", self.job_memory_mb, f"512 to {2**40}, or 0")
        if not 0 < self.trial_s <= 3600:
            raise InvalidField("trial_s", self.trial_s, "above 0, to 3600")
