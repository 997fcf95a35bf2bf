"""What the handlers of this service's jobs share: the catalog, progress, and one published version for each job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from synthmill.kinds.base import PICTURE_MEDIA_TYPE
from synthmill.learning.task import Machine, Progress, ProgressCallback
from synthmill.runtime.errors import ResourceExhausted
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.publication import Catalog, publication_id, publish_once
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import to_struct
from synthmill.training.config import TrainingConfig
from synthmill.v1 import artifact_pb2, model_pb2
from synthmill.v1 import catalog_service_pb2 as pb

SAMPLER, CARD = "sampler.onnx", "card.json"

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


def publish_model(context: JobContext, make: Callable[[Catalog], pb.PublishModelRequest]) -> str:
    """Publishes what a job makes and returns the model version's name; see `publish_once`."""
    return publish_once(context, "PublishModel", make, pb.PublishModelRequest)


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
    return pb.PublishModelRequest(model=model, version=version, request_id=publication_id(context))


def find_artifacts(
    context: JobContext, artifacts: Iterable[artifact_pb2.Artifact], names: Mapping[str, str]
) -> dict[str, Path]:
    """Returns the local path of each artifact that is named, by the key that its name has.

    Raises:
        DataLoss: one is missing from the store, or damaged.
    """
    by_name = {artifact.name: Artifact.from_proto(artifact) for artifact in artifacts}
    return {key: context.store.local_path(by_name[name]) for key, name in names.items()}


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
