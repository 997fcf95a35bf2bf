"""The job "import-dataset", from source to published version."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from synthmill.catalog import uploading
from synthmill.catalog.importing import description, issues
from synthmill.catalog.importing.duplicates import find_near
from synthmill.catalog.importing.planning import Plan, make_plan
from synthmill.catalog.importing.request import ImportSpec, resolve_parameters
from synthmill.catalog.importing.source import Reading, read_source
from synthmill.catalog.importing.writing import DatasetWriter, WrittenFile
from synthmill.catalog.publishing import add_dataset_version
from synthmill.catalog.roots import parse_roots, resolve_source
from synthmill.catalog.tables import DatasetVersion
from synthmill.kinds.base import PICTURE_MEDIA_TYPE, Kind
from synthmill.kinds.registry import get_kind
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.memory import bounded_memory

TYPE = "import-dataset"
PREVIEW = "preview.png"


def run(context: JobContext) -> None:
    """Imports the source named in the job's parameters and publishes one dataset version, or nothing."""
    # A file of kilobytes can unpack to anything in the libraries that read it.
    with bounded_memory(context.config.job_memory_mb):
        _import(context)


def _import(context: JobContext) -> None:
    spec = ImportSpec(**context.parameters["spec"])
    kind = get_kind(spec.kind)
    parameters = resolve_parameters(kind, spec.parameters)
    folder = _empty_folder(context)
    source = _open_source(context, folder)

    reading = read_source(kind, parameters.kind, source, spec.label_from, folder, _progress(context, "items", "read"))
    plan = make_plan(reading.spool, parameters.split)
    _compare(context, kind, reading, plan)

    progress = _progress(context, "records", "write", total=len(plan.rows))
    writer = DatasetWriter(kind, reading.schema, reading.spool, plan, folder, progress)
    written = writer.write()
    statistics = kind.statistics(reading.schema, writer.batches())
    version = description.describe_version(spec, kind, reading, plan, written, statistics)

    preview = WrittenFile(folder / PREVIEW, PICTURE_MEDIA_TYPE)
    preview.path.write_bytes(description.draw_preview(kind, reading, plan))
    for message in description.messages(reading, plan):
        context.message(message)
    _publish(context, spec, version, [*written.files, preview], reading.issues)


def _empty_folder(context: JobContext) -> Path:
    # An earlier attempt may have left its files; an import is short enough to begin anew.
    folder = context.scratch / "import"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _open_source(context: JobContext, folder: Path) -> Path:
    upload = context.parameters.get("upload")
    if upload:
        return uploading.open_upload(context.store, upload, folder)
    # Checked again: the roots may have changed since the request, and a link may have been turned.
    return resolve_source(context.parameters["source_uri"], parse_roots(context.config.allowed_roots))


def _progress(context: JobContext, unit: str, phase: str, total: int = 0) -> Callable[[int], None]:
    return lambda done: context.progress(done, total, unit, phase=phase)


def _compare(context: JobContext, kind: Kind, reading: Reading, plan: Plan) -> None:
    """Reports what the plan drops, and near duplicates among the records it keeps."""
    spool, rows, log = reading.spool, plan.rows, reading.issues
    digests = spool.digests
    context.progress(0, len(rows), "records", phase="compare")

    def confirm(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        context.check()
        # Equal records with different labels have been reported as such.
        differ = (digests[rows[first]] != digests[rows[second]]).any(axis=1)
        return differ & kind.nearly_equal(spool.columns(rows[first]), spool.columns(rows[second]))

    found = find_near(spool.fingerprints[rows], plan.splits[rows], kind.near_duplicate_bits, confirm)
    near = [dataclasses.replace(pair, row=int(rows[pair.row]), other=int(rows[pair.other])) for pair in found]
    log.add(issues.of_unlabelled(spool, plan))
    log.add(issues.of_findings(spool, plan, [*plan.findings, *near]))


def _publish(
    context: JobContext, spec: ImportSpec, version: DatasetVersion, files: list[WrittenFile], log: issues.IssueLog
) -> None:
    """Puts the files into the store, then names them in the transaction that ends the job."""
    artifacts = [context.store.put_file(file.path, file.path.name, file.media_type) for file in files]
    version.job = context.name
    upload = context.parameters.get("upload")

    def publish(session: Session) -> str:
        if upload:
            uploading.forget_upload(session, upload)
        return add_dataset_version(session, context.store, spec.dataset, version, artifacts, log)

    context.finish(publish)
