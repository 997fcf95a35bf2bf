"""The job "compress", from a model version to another version of the same model, if it is good enough."""

from __future__ import annotations

import json

from synthmill.learning.compress.run import compress
from synthmill.learning.compress.task import CompressionTask, RealRecords
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.publication import Catalog
from synthmill.training.compression import WEIGHTS, CompressionSpec
from synthmill.training.publication import (
    CARD,
    SAMPLER,
    find_artifacts,
    machine_of,
    make_publication,
    publish_model,
    report_to,
)
from synthmill.training.request import array_names, count_records
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import model_pb2


def run(context: JobContext) -> str:
    """Compresses, judges and publishes; goes on where an earlier attempt ended. Returns the model version's name."""
    return publish_model(context, lambda catalog: _compress(context, catalog))


def _compress(context: JobContext, catalog: Catalog) -> pb.PublishModelRequest:
    spec = CompressionSpec(**context.parameters)
    model = catalog.ask("GetModel", pb.GetModelRequest(name=spec.model))
    real = None
    if spec.dataset:
        dataset = catalog.ask("GetDataset", pb.GetDatasetRequest(name=spec.dataset))
        real = RealRecords(
            dataset=dataset.name,
            split=spec.split,
            columns=find_artifacts(context, dataset.artifacts, array_names(dataset, spec.split)),
            train_count=count_records(dataset, "train"),
        )
    task = _make_task(context, spec, model, real)
    folder = context.scratch / "run"
    folder.mkdir(exist_ok=True)
    result = compress(
        task,
        folder,
        machine=machine_of(context.config),
        progress=report_to(context),
        check=context.check,
        say=context.message,
    )
    version = model_pb2.Model(kind=model.kind, family=model.family, labels=model.labels, dataset=model.dataset)
    return make_publication(context, spec.model.split("/")[1], version, result.artifacts, result.metrics)


def _make_task(
    context: JobContext, spec: CompressionSpec, model: model_pb2.Model, real: RealRecords | None
) -> CompressionTask:
    names = {artifact.name for artifact in model.artifacts}
    wanted = {name: name for name in (SAMPLER, CARD, WEIGHTS) if name in names}
    files = find_artifacts(context, model.artifacts, wanted)
    return CompressionTask(
        version=model.name,
        digest=model.digest,
        graph=files[SAMPLER],
        card=json.loads(files[CARD].read_bytes()),
        weights=files.get(WEIGHTS),
        methods=tuple(spec.methods),
        parameters=spec.parameters,
        max_loss=spec.max_loss,
        real=real,
        seed=int(spec.seed),
        job=context.name,
    )
