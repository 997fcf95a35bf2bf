"""Makes a dataset version of samples: from the sampling service into files, and what the catalog is told of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthmill.kinds.base import PICTURE_MEDIA_TYPE, Columns, Kind, Schema
from synthmill.kinds.dataset_files import (
    LABEL,
    ContentDigest,
    WrittenFile,
    columns_of,
    files_of,
    read_chunks,
    write_split,
)
from synthmill.kinds.registry import get_kind
from synthmill.pipeline.run import Run
from synthmill.pipeline.splits import TRAIN
from synthmill.runtime.arrays import open_array
from synthmill.runtime.drawing import Wanted, draw_samples
from synthmill.runtime.structs import from_struct, to_struct, with_integers
from synthmill.v1 import dataset_pb2, model_pb2, sampling_service_pb2

RECIPE, PREVIEW = "recipe.json", "preview.png"

_PICTURED = 60
_PICTURE_COLUMNS = 12


@dataclasses.dataclass(frozen=True)
class Minting:
    """Samples that are wanted.

    Attributes:
        model: version that they are of.
        counts: of each class, by name.
        filtered: whether they go through the model's own filter.
    """

    model: model_pb2.Model
    counts: Mapping[str, int]
    filtered: bool

    def recipe(self, seed: int) -> dict[str, Any]:
        """Returns what makes the same samples again, as JSON."""
        return {
            "synthetic": True,
            "model": self.model.name,
            "model_digest": self.model.digest,
            "seed": str(seed),
            "start_index": 0,
            "count": sum(self.counts.values()),
            "label_plan": {"counts": dict(self.counts)},
            "filter": {} if self.filtered else None,
        }


def make_version(run: Run, key: str, asked: Minting, dataset: dataset_pb2.Dataset, folder: Path) -> dataset_pb2.Dataset:
    """Draws samples, puts them into the store and returns the version that they make, not published yet.

    Args:
        key: of the step.
        asked: the samples.
        dataset: with the real records; samples have its form, licence and consent.
        folder: of this step alone; a later call with the same one goes on where this one ended.

    Raises:
        DataLoss: samples are not of the form of the real records.
        SynthmillError: the sampling service gave nothing for too long.
    """
    kind, schema, labels = get_kind(dataset.kind), with_integers(from_struct(dataset.schema)), list(dataset.labels)
    samples = _draw(run, key, asked, columns_of(kind, schema, labels), labels, folder)
    count = sum(asked.counts.values())
    files = folder / "files"
    files.mkdir(exist_ok=True)
    digest = ContentDigest(kind.name, schema, labels)
    digest.begin_split(TRAIN, count)
    done = 0
    for chunk in write_split(kind, schema, labels, TRAIN, count, read_chunks(samples), files):
        digest.add(chunk)
        done += len(chunk[LABEL])
        run.progress(key, done, count, "samples", "writing")
    recipe = asked.recipe(run.plan.seed)
    (files / RECIPE).write_text(json.dumps(recipe, indent=2))
    _draw_preview(kind, schema, labels, samples, files / PREVIEW)
    version = dataset_pb2.Dataset(kind=kind.name, labels=labels, schema=dataset.schema, job=run.context.name)
    version.splits.add(name=TRAIN, record_count=count)
    version.provenance.CopyFrom(dataset.provenance)
    version.provenance.origin = _tell(recipe)
    version.statistics.CopyFrom(to_struct(kind.statistics(schema, read_chunks(samples))))
    written = files_of(TRAIN, columns_of(kind, schema, labels), files)
    written += [WrittenFile(files / RECIPE, "application/json"), WrittenFile(files / PREVIEW, PICTURE_MEDIA_TYPE)]
    for file in written:
        run.context.check()
        version.artifacts.append(run.context.store.put_file(file.path, file.path.name, file.media_type).to_proto())
    version.digest = digest.hexdigest()
    return version


def _draw(
    run: Run,
    key: str,
    asked: Minting,
    columns: Mapping[str, tuple[np.dtype, tuple[int, ...]]],
    labels: list[str],
    folder: Path,
) -> Columns:
    wanted = Wanted(
        model=asked.model.name,
        digest=asked.model.digest,
        seed=run.plan.seed,
        labels=labels,
        counts=[asked.counts[label] for label in labels],
        columns=columns,
        # With neither bound: the model's own.
        filter=sampling_service_pb2.SampleFilter() if asked.filtered else None,
    )
    sampling = run.partners.sampling
    paths = draw_samples(
        sampling.stub,
        wanted,
        folder / "samples",
        patience_s=sampling.patience_s,
        report=lambda phase, done, total: run.progress(key, done, total, "samples", phase),
        check=run.context.check,
    )
    return {name: open_array(path) for name, path in paths.items()}


def _draw_preview(kind: Kind, schema: Schema, labels: list[str], samples: Columns, path: Path) -> None:
    batch = {name: np.asarray(column[:_PICTURED]) for name, column in samples.items()}
    captions = [labels[label] for label in batch[LABEL]]
    path.write_bytes(kind.picture(batch, schema, captions, _PICTURE_COLUMNS))


def _tell(recipe: Mapping[str, Any]) -> str:
    """Returns where samples come from, in words."""
    last = recipe["count"] - 1
    filtered = ", through its own filter" if recipe["filter"] is not None else ""
    return f"synthetic: samples 0 to {last} of {recipe['model']} for the seed {recipe['seed']}{filtered}; see {RECIPE}"
