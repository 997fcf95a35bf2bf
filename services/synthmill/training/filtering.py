"""The job "filter", from a model version to one with the same samples, opinions of them and a filter."""

from __future__ import annotations

import json

from synthmill.learning.filtering.run import filter_model
from synthmill.learning.filtering.task import FilteringTask
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.publication import Catalog
from synthmill.training.compression import WEIGHTS
from synthmill.training.filters import FilteringSpec
from synthmill.training.publication import (
    CARD,
    SAMPLER,
    find_artifacts,
    machine_of,
    make_publication,
    publish_model,
    report_to,
)
from synthmill.training.request import array_names
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2, model_pb2


def run(context: JobContext) -> str:
    """Trains, judges and publishes; goes on where an earlier attempt ended. Returns the model version's name."""
    return publish_model(context, lambda catalog: _filter(context, catalog))


def _filter(context: JobContext, catalog: Catalog) -> pb.PublishModelRequest:
    spec = FilteringSpec(**context.parameters)
    model = catalog.ask("GetModel", pb.GetModelRequest(name=spec.model))
    dataset = catalog.ask("GetDataset", pb.GetDatasetRequest(name=spec.dataset))
    folder = context.scratch / "run"
    folder.mkdir(exist_ok=True)
    result = filter_model(
        _make_task(context, spec, model, dataset),
        folder,
        machine=machine_of(context.config),
        progress=report_to(context),
        check=context.check,
        say=context.message,
    )
    version = model_pb2.Model(kind=model.kind, family=model.family, labels=model.labels, dataset=model.dataset)
    return make_publication(context, spec.model.split("/")[1], version, result.artifacts, result.metrics)


def _make_task(
    context: JobContext, spec: FilteringSpec, model: model_pb2.Model, dataset: dataset_pb2.Dataset
) -> FilteringTask:
    names = {artifact.name for artifact in model.artifacts}
    files = find_artifacts(context, model.artifacts, {name: name for name in (SAMPLER, CARD, WEIGHTS) if name in names})
    validation = array_names(dataset, spec.held_out) if spec.held_out else {}
    return FilteringTask(
        version=model.name,
        digest=model.digest,
        graph=files[SAMPLER],
        card=json.loads(files[CARD].read_bytes()),
        weights=files.get(WEIGHTS),
        dataset=dataset.name,
        train=find_artifacts(context, dataset.artifacts, array_names(dataset)),
        validation=find_artifacts(context, dataset.artifacts, validation),
        parameters=spec.parameters,
        seed=int(spec.seed),
        job=context.name,
    )
