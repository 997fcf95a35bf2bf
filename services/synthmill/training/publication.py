"""What the handlers of this service's jobs share: the catalog, progress, and one published version for each job."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthmill.kinds.base import PICTURE_MEDIA_TYPE
from synthmill.learning.task import Machine, Progress, ProgressCallback
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.errors import ResourceExhausted
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import to_struct
from synthmill.training.config import TrainingConfig
from synthmill.training.patience import ask_patiently
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, model_pb2

SAMPLER = "sampler.onnx"

_DEADLINE_S = 60.0
_PUBLICATION = "publication.binpb"
_MEDIA_TYPES = {
    ".onnx": "application/octet-stream",
    ".safetensors": "application/octet-stream",
    ".json": "application/json",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".png": PICTURE_MEDIA_TYPE,
    ".gif": "image/gif",
    ".tfevents": "application/octet-stream",
}


class Catalog:
    """Asks the catalog service, patiently: a job outlives its restarts.

    Args:
        stub: of the service.
        context: of the job that asks.
    """

    def __init__(self, stub: catalog_service_pb2_grpc.CatalogServiceStub, context: JobContext) -> None:
        self._stub, self._context = stub, context

    def ask(self, method: str, request: Any) -> Any:
        """Returns the answer to a request that may be repeated.

        Args:
            method: of CatalogService.

        Raises:
            SynthmillError: whatever the catalog answers, or that it was away for too long.
        """
        call = getattr(self._stub, method)
        patience_s = self._context.config.catalog_patience_s
        return ask_patiently(lambda: call(request, timeout=_DEADLINE_S), patience_s, self._context.check)


def publish_once(context: JobContext, make: Callable[[Catalog], pb.PublishModelRequest]) -> str:
    """Publishes what a job makes and returns the model version's name; goes on where an earlier attempt ended.

    Args:
        context: of the job.
        make: does the work and puts its files into the store; not called again once it has returned.
    """
    with connect_sync(context.config.catalog_address) as channel:
        catalog = Catalog(catalog_service_pb2_grpc.CatalogServiceStub(channel), context)
        publication = context.scratch / _PUBLICATION
        if not publication.exists():
            _write_durably(publication, make(catalog).SerializeToString())
        # The catalog may have published in answer to an earlier attempt that died before it heard of it: the same
        # bytes under the same request_id get the same answer.
        return catalog.ask("PublishModel", pb.PublishModelRequest.FromString(publication.read_bytes())).name


def make_publication(
    context: JobContext,
    model: str,
    version: model_pb2.Model,
    artifacts: Mapping[str, Path],
    metrics: Mapping[str, float],
) -> pb.PublishModelRequest:
    """Puts files into the store and describes the version that they make.

    Args:
        context: of the job.
        model: id of the model to add a version to.
        version: kind, family, labels and dataset; changed.
        artifacts: file by artifact name, the sampler graph among them.
        metrics: figures by name.
    """
    stored = [context.store.put_file(path, name, _MEDIA_TYPES[Path(name).suffix]) for name, path in artifacts.items()]
    version.artifacts.extend(artifact.to_proto() for artifact in stored)
    version.digest = next(artifact.sha256 for artifact in stored if artifact.name == SAMPLER)
    version.job = context.name
    version.metrics.CopyFrom(to_struct(dict(metrics)))
    request_id = str(uuid.uuid5(uuid.NAMESPACE_URL, context.name))
    return pb.PublishModelRequest(model=model, version=version, request_id=request_id)


def report_to(context: JobContext) -> ProgressCallback:
    """Returns a callback that writes down a run's progress as the job's."""

    def report(progress: Progress) -> None:
        picture = progress.picture and _keep_picture(context, progress.picture)
        context.progress(
            progress.step,
            progress.total,
            "steps",
            phase=progress.phase,
            rate=progress.rate,
            metrics=progress.metrics,
            picture=picture or None,
        )

    return report


def _keep_picture(context: JobContext, picture: bytes) -> Artifact | None:
    """Puts a picture into the store; None where there is no room for it, which is no reason to stop."""
    try:
        return context.keep_picture(picture)
    except ResourceExhausted:
        return None


def machine_of(config: TrainingConfig) -> Machine:
    """Returns what a run may use by the service's settings."""
    return Machine(
        accelerator=config.accelerator,
        precision=config.precision,
        threads=config.threads,
        checkpoint_interval_s=config.checkpoint_interval_s,
        picture_interval_s=config.picture_interval_s,
    )


def _write_durably(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
