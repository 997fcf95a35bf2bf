"""The job "train", from a dataset version to a published model version."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from synthmill.kinds.base import PICTURE_MEDIA_TYPE
from synthmill.learning.run import train
from synthmill.learning.task import Machine, Progress, TrainingResult, TrainingTask
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import from_struct, to_struct
from synthmill.training.config import TrainingConfig
from synthmill.training.patience import ask_patiently
from synthmill.training.request import TrainingSpec, array_names
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, dataset_pb2, model_pb2

_DEADLINE_S = 60.0
_SAMPLER = "sampler.onnx"
_PUBLICATION = "publication.binpb"
_MEDIA_TYPES = {
    ".onnx": "application/octet-stream",
    ".safetensors": "application/octet-stream",
    ".json": "application/json",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".png": PICTURE_MEDIA_TYPE,
}


def run(context: JobContext) -> str:
    """Trains, exports and publishes; goes on where an earlier attempt ended. Returns the model version's name."""
    config: TrainingConfig = context.config
    with connect_sync(config.catalog_address) as channel:
        catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)

        def ask(method: Callable, request: object) -> object:
            return ask_patiently(lambda: method(request, timeout=_DEADLINE_S), config.catalog_patience_s, context.check)

        publication = context.scratch / _PUBLICATION
        if not publication.exists():
            spec = TrainingSpec(**context.parameters)
            dataset = ask(catalog.GetDataset, pb.GetDatasetRequest(name=spec.dataset))
            request = _train(context, config, spec, dataset)
            _write_durably(publication, request.SerializeToString())
        # The catalog may have published in answer to an earlier attempt that died before it heard of it: the same
        # bytes under the same request_id get the same answer.
        request = pb.PublishModelRequest.FromString(publication.read_bytes())
        return ask(catalog.PublishModel, request).name


def make_task(
    spec: TrainingSpec, dataset: dataset_pb2.Dataset, find: Callable[[Artifact], Path], job: str
) -> TrainingTask:
    """Puts together what the learning side needs.

    Args:
        find: returns the local path of an artifact.
        job: name of the job, for the lineage.

    Raises:
        DataLoss: an array is missing from the store, or damaged.
    """
    artifacts = {artifact.name: Artifact.from_proto(artifact) for artifact in dataset.artifacts}
    arrays = {column: artifacts[name] for column, name in array_names(dataset).items()}
    return TrainingTask(
        model=spec.model,
        kind=dataset.kind,
        schema=from_struct(dataset.schema),
        labels=tuple(dataset.labels),
        columns={column: find(artifact) for column, artifact in arrays.items()},
        family=spec.family,
        parameters=spec.parameters,
        seed=int(spec.seed),
        lineage={
            "dataset": dataset.name,
            "dataset_digest": dataset.digest,
            "arrays": {column: artifact.sha256 for column, artifact in arrays.items()},
            "origin": dataset.provenance.origin,
            "consent": dataset.provenance.consent,
            "job": job,
        },
        license=dataset.provenance.license,
    )


def _train(
    context: JobContext, config: TrainingConfig, spec: TrainingSpec, dataset: dataset_pb2.Dataset
) -> pb.PublishModelRequest:
    task = make_task(spec, dataset, context.store.local_path, context.name)
    machine = Machine(
        accelerator=config.accelerator,
        precision=config.precision,
        threads=config.threads,
        checkpoint_interval_s=config.checkpoint_interval_s,
        picture_interval_s=config.picture_interval_s,
    )

    def report(progress: Progress) -> None:
        picture = progress.picture and context.store.put_bytes(progress.picture, "progress.png", PICTURE_MEDIA_TYPE)
        context.progress(
            progress.step,
            progress.total,
            "steps",
            phase=progress.phase,
            rate=progress.rate,
            metrics=progress.metrics,
            picture=picture or None,
        )

    folder = context.scratch / "run"
    folder.mkdir(exist_ok=True)
    result = train(task, folder, machine=machine, progress=report, check=context.check)
    return _describe(context, task, dataset, result)


def _describe(
    context: JobContext, task: TrainingTask, dataset: dataset_pb2.Dataset, result: TrainingResult
) -> pb.PublishModelRequest:
    """Puts the files into the store and describes the version that they make."""
    artifacts = [
        context.store.put_file(path, name, _MEDIA_TYPES[Path(name).suffix]) for name, path in result.artifacts.items()
    ]
    version = model_pb2.Model(
        kind=task.kind,
        family=task.family,
        labels=task.labels,
        artifacts=[artifact.to_proto() for artifact in artifacts],
        digest=next(artifact.sha256 for artifact in artifacts if artifact.name == _SAMPLER),
        dataset=dataset.name,
        job=context.name,
        metrics=to_struct(dict(result.metrics)),
    )
    request_id = str(uuid.uuid5(uuid.NAMESPACE_URL, context.name))
    return pb.PublishModelRequest(model=task.model, version=version, request_id=request_id)


def _write_durably(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
