"""Settings of the catalog service."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from synthmill.runtime.config import ServiceConfig


@dataclasses.dataclass(frozen=True)
class CatalogConfig(ServiceConfig):
    """Settings of the catalog service."""

    service: ClassVar[str] = "catalog"

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
    sweep_interval_s: float = dataclasses.field(
        default=30.0, metadata={"help": "how often files that nothing names any more are removed, in seconds"}
    )
