"""The job "train", from a dataset version to a published model version."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from synthmill.learning.processes import train_in_processes
from synthmill.learning.ray_processes import train_on_ray
from synthmill.learning.task import TrainingResult, TrainingTask
from synthmill.runtime.executors.names import LOCAL, RAY
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.publication import Catalog
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import from_struct
from synthmill.training.config import TrainingConfig
from synthmill.training.publication import machine_of, make_publication, publish_model, report_to
from synthmill.training.request import TrainingSpec, array_names
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2, model_pb2

# By the settings of the service, what trains in several processes.
_EXECUTORS: dict[str, Callable[[TrainingConfig], Callable[..., TrainingResult]]] = {
    LOCAL: lambda _config: train_in_processes,
    RAY: lambda config: partial(train_on_ray, address=config.ray_address, patience_s=config.ray_patience_s),
}


def run(context: JobContext) -> str:
    """Trains, exports and publishes; goes on where an earlier attempt ended. Returns the model version's name."""
    return publish_model(context, lambda catalog: _train(context, catalog))


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
    held_out = array_names(dataset, spec.held_out) if spec.held_out else {}
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
            **({"why_this_family": spec.why} if spec.why else {}),
        },
        license=dataset.provenance.license,
        held_out={column: find(artifacts[name]) for column, name in held_out.items()},
        budget_s=spec.budget_s,
        target=spec.target,
    )


def _train(context: JobContext, catalog: Catalog) -> pb.PublishModelRequest:
    spec = TrainingSpec(**context.parameters)
    dataset = catalog.ask("GetDataset", pb.GetDatasetRequest(name=spec.dataset))
    task = make_task(spec, dataset, context.store.local_path, context.name)
    folder = context.scratch / "run"
    folder.mkdir(exist_ok=True)
    if spec.why and context.attempt == 1:
        context.message(spec.why)
    machine = machine_of(context.config)
    result = _EXECUTORS[spec.executor](context.config)(
        task,
        folder,
        spec.processes,
        machine=machine,
        progress=report_to(context),
        check=context.check,
        say=context.message,
    )
    version = model_pb2.Model(kind=task.kind, family=task.family, labels=task.labels, dataset=dataset.name)
    return make_publication(context, task.model, version, result.artifacts, result.metrics)
