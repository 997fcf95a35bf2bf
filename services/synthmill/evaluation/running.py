"""The job "evaluate", from a model or dataset version to a published evaluation."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from synthmill.evaluation.convert import to_evaluation
from synthmill.evaluation.grids import draw_grid
from synthmill.evaluation.records import TRAIN, VALIDATION, Find, find_arrays, is_usable, schema_of
from synthmill.evaluation.report import render_report
from synthmill.evaluation.request import EvaluationSpec, Version
from synthmill.kinds.base import PICTURE_MEDIA_TYPE
from synthmill.kinds.dataset_files import columns_of
from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.findings import Findings, Picture
from synthmill.learning.evaluate.gate import Gate
from synthmill.learning.evaluate.run import evaluate
from synthmill.learning.evaluate.task import EvaluationTask
from synthmill.learning.task import Machine
from synthmill.runtime.arrays import open_array
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.drawing import Wanted, draw_samples
from synthmill.runtime.errors import ResourceExhausted
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.publication import Catalog, publication_id, publish_once
from synthmill.runtime.names import MODELS
from synthmill.runtime.store import Artifact
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2, model_pb2, sampling_service_pb2
from synthmill.v1.sampling_service_pb2_grpc import SamplingServiceStub

REPORT, FINDINGS = "report.html", "findings.json"

_GRIDS = (
    Picture("samples", "Samples", "The first samples of each class."),
    Picture("records", "Real training records", "The first real training records of each class."),
)


def run(context: JobContext) -> str:
    """Draws, measures and publishes; goes on where an earlier attempt ended. Returns the evaluation's name."""
    return publish_once(
        context, "PublishEvaluation", lambda catalog: _evaluate(context, catalog), pb.PublishEvaluationRequest
    )


def _evaluate(context: JobContext, catalog: Catalog) -> pb.PublishEvaluationRequest:
    spec = EvaluationSpec(**context.parameters)
    subject = _get_version(catalog, spec.subject)
    reference = catalog.ask("GetDataset", pb.GetDatasetRequest(name=spec.reference))
    if isinstance(subject, model_pb2.Model):
        samples = _draw(context, spec, subject, reference)
    else:
        samples = find_arrays(subject, TRAIN, context.store.local_path)
    task = make_task(spec, subject, reference, samples, context.store.local_path, context.name)
    grids = _draw_grids(task)
    _show(context, grids["samples"])
    folder = context.scratch / "run"
    folder.mkdir(exist_ok=True)
    machine = Machine(context.config.accelerator, "float32", context.config.threads)
    findings, pictures = evaluate(task, folder, machine, _report_to(context), context.check)
    findings = dataclasses.replace(findings, pictures=[*findings.pictures, *_GRIDS])
    artifacts = _store(context, findings, {**pictures, **grids})
    evaluation = to_evaluation(findings, artifacts, context.name)
    return pb.PublishEvaluationRequest(evaluation=evaluation, request_id=publication_id(context))


def make_task(
    spec: EvaluationSpec,
    subject: Version,
    reference: dataset_pb2.Dataset,
    samples: Mapping[str, Path],
    find: Find,
    job: str,
) -> EvaluationTask:
    """Puts together what the learning side needs.

    Args:
        samples: file of each column.
        find: returns the local path of an artifact.
        job: its name, which stands among the settings.

    Raises:
        DataLoss: an array is missing from the store, or damaged.
    """
    validated = spec.test_split != VALIDATION and is_usable(reference, VALIDATION)
    return EvaluationTask(
        subject=(subject.name, subject.digest),
        reference=(reference.name, reference.digest),
        kind=reference.kind,
        schema=schema_of(reference),
        labels=tuple(reference.labels),
        train=find_arrays(reference, TRAIN, find),
        validation=find_arrays(reference, VALIDATION, find) if validated else {},
        test=find_arrays(reference, spec.test_split, find),
        samples=samples,
        policy=spec.policy,
        policy_name=spec.policy_name,
        seeds=spec.seeds,
        probe_steps=spec.probe_steps,
        seed=int(spec.seed),
        gate=Gate(spec.thresholds),
        arms=tuple(spec.arms),
        synthetic_share=spec.synthetic_share,
        settings={"job": job, **({} if spec.filter is None else {"filter": spec.filter or "the model's own"})},
    )


def _get_version(catalog: Catalog, name: str) -> Version:
    if name.startswith(f"{MODELS}/"):
        return catalog.ask("GetModel", pb.GetModelRequest(name=name))
    return catalog.ask("GetDataset", pb.GetDatasetRequest(name=name))


def _draw(
    context: JobContext, spec: EvaluationSpec, model: model_pb2.Model, reference: dataset_pb2.Dataset
) -> dict[str, Path]:
    wanted = Wanted(
        model=model.name,
        digest=model.digest,
        seed=int(spec.seed),
        labels=list(model.labels),
        counts=spec.sample_counts,
        columns=columns_of(get_kind(reference.kind), schema_of(reference), reference.labels),
        filter=None if spec.filter is None else sampling_service_pb2.SampleFilter(**spec.filter),
    )
    with connect_sync(context.config.sampling_address, context.config.credentials) as channel:
        return draw_samples(
            SamplingServiceStub(channel),
            wanted,
            context.scratch / "samples",
            patience_s=context.config.sampling_patience_s,
            report=_report_to(context, "samples"),
            check=context.check,
        )


def _report_to(context: JobContext, unit: str = "steps") -> Callable[[str, int, int], None]:
    """Returns a callback that writes down how far a phase is as the job's progress."""

    def report(phase: str, done: int, total: int) -> None:
        context.progress(done, total, unit, phase=phase)

    return report


def _draw_grids(task: EvaluationTask) -> dict[str, bytes]:
    """Draws some samples and some real records, by the names of `_GRIDS`."""
    kind, sides = get_kind(task.kind), {"samples": task.samples, "records": task.train}
    opened = {name: {column: open_array(path) for column, path in paths.items()} for name, paths in sides.items()}
    return {name: draw_grid(kind, task.schema, task.labels, columns) for name, columns in opened.items()}


def _show(context: JobContext, png: bytes) -> None:
    """Shows a picture as the job's; where there is no room for one, that is no reason to stop."""
    with contextlib.suppress(ResourceExhausted):
        context.progress(0, 0, "steps", phase="measuring", picture=context.keep_picture(png))


def _store(context: JobContext, findings: Findings, pictures: Mapping[str, bytes]) -> list[Artifact]:
    """Draws the report and puts all files of the evaluation into the store."""
    report = render_report(findings, pictures, datetime.datetime.now(datetime.UTC))
    files = [
        (REPORT, report, "text/html"),
        (FINDINGS, json.dumps(findings.to_json(), indent=2).encode(), "application/json"),
        *((f"{name}.png", png, PICTURE_MEDIA_TYPE) for name, png in pictures.items()),
    ]
    return [context.store.put_bytes(data, name, media_type) for name, data, media_type in files]
