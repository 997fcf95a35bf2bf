"""The job "augment", from a dataset version to another one that has more records."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from synthmill.augmentation.lineage import Lineage
from synthmill.augmentation.made import Made
from synthmill.augmentation.making import Maker
from synthmill.augmentation.planning import Plan
from synthmill.augmentation.pools import SPLIT, Pool, count_records, open_arrays
from synthmill.augmentation.request import JobSpec
from synthmill.kinds.base import PICTURE_MEDIA_TYPE, Columns, Kind, Schema
from synthmill.kinds.dataset_files import (
    CHUNK_RECORDS,
    LABEL,
    SPLITS,
    ContentDigest,
    WrittenFile,
    array_name,
    columns_of,
    files_of,
    read_chunks,
    table_name,
    write_split,
)
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import Cancelled, FailedPrecondition
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.publication import Catalog, publication_id, publish_once
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import dataset_pb2

PREVIEW = "preview.png"

_PREVIEW_RECORDS = 60
_PREVIEW_COLUMNS = 12


def run(context: JobContext) -> str:
    """Makes the results and publishes them; goes on where an earlier attempt ended. Returns the version's name."""
    return publish_once(context, "PublishDataset", lambda catalog: _augment(context, catalog), pb.PublishDatasetRequest)


def _augment(context: JobContext, catalog: Catalog) -> pb.PublishDatasetRequest:
    # Records are worked at side by side; threads within each would only be in each other's way.
    cv2.setNumThreads(1)
    spec = JobSpec(**context.parameters)
    dataset = catalog.ask("GetDataset", pb.GetDatasetRequest(name=spec.dataset))
    kind = get_kind(dataset.kind)
    augmentation = kind.augmentation()
    arrays = open_arrays(context.store, dataset)
    source = Pool(dataset.name, augmentation, arrays, len(dataset.labels))
    plan = spec.plan(arrays.get(LABEL), len(source))
    maker = Maker(
        augmentation, augmentation.open(augmentation.policy(spec.policy), source), source, plan, int(spec.seed)
    )
    schema = _schema_of_results(kind, dataset, maker.first(), spec)
    made = Made(context.scratch / "made", kind.columns(schema))
    _make(context, maker, made, len(plan))
    results = dict(made.arrays())
    if dataset.labels:
        results[LABEL] = np.asarray(arrays[LABEL])[plan.sources]
    train = [results] if spec.without_originals else [arrays, results]
    return _publication(context, spec, dataset, schema, plan, train)


def _schema_of_results(kind: Kind, dataset: dataset_pb2.Dataset, first: Columns, spec: JobSpec) -> Schema:
    """Returns the schema of the new version: that of the source if results have its form, else that of the first one.

    Raises:
        FailedPrecondition: they have another form, and records of the source would stand beside them.
    """
    schema = with_integers(from_struct(dataset.schema))
    wanted = kind.columns(schema)
    if all((array.dtype, array.shape) == wanted[name] for name, array in first.items()):
        return schema
    if spec.without_originals and all(split.name == SPLIT for split in dataset.splits):
        return kind.schema_of(first)
    made = _told({name: array.shape for name, array in first.items()})
    kept = _told({name: shape for name, (_, shape) in wanted.items()})
    raise FailedPrecondition(
        f"policy: results are {made}, the records that are kept {kept}, and the records of a dataset have one size: "
        "add a step at the end that gives results the size of the records, such as resize or crop",
        field="policy",
        value=made,
        allowed=kept,
    )


def _told(shapes: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())


def _make(context: JobContext, maker: Maker, made: Made, total: int) -> None:
    """Makes the results that are missing."""
    threads, interval_s = context.config.thread_count, context.config.checkpoint_interval_s
    with made:
        kept = time.monotonic()
        try:
            context.progress(made.count, total, "records", phase="augment")
            for results in maker.batches(made.count, threads):
                made.append(results)
                if time.monotonic() - kept >= interval_s:
                    made.keep()
                    kept = time.monotonic()
                context.progress(made.count, total, "records", phase="augment")
        except Cancelled:
            made.keep()
            raise
        made.keep()


def _publication(
    context: JobContext,
    spec: JobSpec,
    dataset: dataset_pb2.Dataset,
    schema: Schema,
    plan: Plan,
    train: Sequence[Mapping[str, np.ndarray]],
) -> pb.PublishDatasetRequest:
    """Writes the files of the new version, puts them into the store and describes it."""
    kind, labels = get_kind(dataset.kind), list(dataset.labels)
    folder = context.scratch / "files"
    # What an earlier attempt has written is soon written again.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    count = sum(len(next(iter(part.values()))) for part in train)
    digest = ContentDigest(kind.name, schema, labels)
    digest.begin_split(SPLIT, count)
    done = 0
    for chunk in write_split(kind, schema, labels, SPLIT, count, _joined(train, count), folder):
        digest.add(chunk)
        done += len(next(iter(chunk.values())))
        context.progress(done, count, "records", phase="write")
    version = dataset_pb2.Dataset(kind=kind.name, labels=labels, job=context.name, schema=to_struct(schema))
    version.provenance.CopyFrom(dataset.provenance)
    version.splits.add(name=SPLIT, record_count=count)
    others = _other_splits(context, dataset, digest, version)
    context.progress(0, 0, "records", phase="publish")
    batches = _until_cancelled(context, itertools.chain(_joined(train, count), *map(read_chunks, others)))
    version.statistics.CopyFrom(to_struct(kind.statistics(schema, batches)))
    files = files_of(SPLIT, columns_of(kind, schema, labels), folder)
    files += Lineage.of(dataset, spec).write(plan, folder)
    files.append(_draw_preview(kind, schema, labels, train[-1], folder))
    for file in files:
        context.check()
        version.artifacts.append(context.store.put_file(file.path, file.path.name, file.media_type).to_proto())
    version.digest = digest.hexdigest()
    return pb.PublishDatasetRequest(dataset=spec.name, version=version, request_id=publication_id(context))


def _other_splits(
    context: JobContext, dataset: dataset_pb2.Dataset, digest: ContentDigest, version: dataset_pb2.Dataset
) -> list[dict[str, np.ndarray]]:
    """Takes the other splits over as they are, files and all, and returns their columns."""
    found = []
    artifacts = {artifact.name: artifact for artifact in dataset.artifacts}
    for split in SPLITS:
        count = count_records(dataset, split)
        if split == SPLIT or not count:
            continue
        arrays = open_arrays(context.store, dataset, split)
        digest.begin_split(split, count)
        for chunk in read_chunks(arrays):
            digest.add(chunk)
        version.splits.add(name=split, record_count=count)
        version.artifacts.extend(
            artifacts[name] for name in (table_name(split), *(array_name(split, c) for c in arrays))
        )
        found.append(arrays)
    return found


def _until_cancelled(context: JobContext, chunks: Iterator[Columns]) -> Iterator[Columns]:
    for chunk in chunks:
        context.check()
        yield chunk


def _joined(parts: Sequence[Mapping[str, np.ndarray]], count: int) -> Iterator[Columns]:
    """Yields columns that lie in several parts one after the other, in chunks that do not care where a part ends."""
    for start in range(0, count, CHUNK_RECORDS):
        chunk: dict[str, list[np.ndarray]] = {name: [] for name in parts[0]}
        begin = 0
        for part in parts:
            length = len(next(iter(part.values())))
            rows = slice(max(0, start - begin), max(0, min(length, start + CHUNK_RECORDS - begin)))
            for name, pieces in chunk.items():
                pieces.append(part[name][rows])
            begin += length
        yield {name: np.concatenate(pieces) for name, pieces in chunk.items()}


def _draw_preview(
    kind: Kind, schema: Schema, labels: Sequence[str], results: Mapping[str, np.ndarray], folder: Path
) -> WrittenFile:
    """Draws some of the results, from first to last."""
    count = len(next(iter(results.values())))
    rows = np.unique(np.linspace(0, count - 1, min(count, _PREVIEW_RECORDS)).astype(int))
    batch = {name: np.asarray(array[rows]) for name, array in results.items()}
    captions = [labels[label] for label in batch[LABEL]] if labels else []
    path = folder / PREVIEW
    path.write_bytes(kind.picture(batch, schema, captions, _PREVIEW_COLUMNS))
    return WrittenFile(path, PICTURE_MEDIA_TYPE)
