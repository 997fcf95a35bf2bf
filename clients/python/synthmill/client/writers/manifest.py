"""The manifest of written samples: what they are, where they come from, how to make them again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from synthmill.client.batches import Batch
from synthmill.client.staging import sync
from synthmill.client.writers.encoding import LABEL
from synthmill.runtime.errors import DataLoss
from synthmill.v1 import model_pb2


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All that a model needs to make the same samples again.

    Attributes:
        seed: seed.
        start_index: index of the first row; row r of the files, in their order, is sample start_index + r.
        count: number of samples.
        label_plan: text as `synthmill.client.labels` reads it; empty if nothing was said.
        truncation: scale of the latent vector; None if nothing was said.
    """

    seed: int
    start_index: int
    count: int
    label_plan: str = ""
    truncation: float | None = None


class Tally:
    """Counts the samples of each class, and sees to it that all come from the model they should.

    Args:
        model: the version.
    """

    def __init__(self, model: model_pb2.Model) -> None:
        self._model = model
        self._counts = np.zeros(len(model.labels), np.int64)

    def add(self, batch: Batch) -> None:
        """Counts a batch.

        Raises:
            DataLoss: another model has made it.
        """
        if batch.model_digest != self._model.digest:
            raise DataLoss(f"{self._model.name}: samples of {batch.model_digest} came, not of {self._model.digest}")
        if len(self._counts):
            self._counts += np.bincount(batch[LABEL], minlength=len(self._counts))

    def by_name(self) -> dict[str, int]:
        """Returns the numbers by class name."""
        return dict(zip(self._model.labels, self._counts.tolist(), strict=True))


@dataclasses.dataclass(frozen=True)
class Record:
    """A run of samples in a file, or in a tree of files with a list of them.

    Attributes:
        name: path of the file, or of the list, in the folder.
        sha256: digest of its bytes.
        size_bytes: its size; of a tree that of all its files.
        first_index: index of the first sample.
        row_count: number of samples.
        label_counts: samples of each class.
    """

    name: str
    sha256: str
    size_bytes: int
    first_index: int
    row_count: int
    label_counts: dict[str, int]


def make_manifest(
    model: model_pb2.Model, card: Mapping[str, Any], recipe: Recipe, format_name: str, records: Iterable[Record]
) -> dict[str, Any]:
    """Returns the manifest as JSON; the same recipe gives the same manifest.

    Args:
        card: the model's card.
        records: the files, in the order of their samples.
    """
    lineage = {"dataset": model.dataset, "job": model.job, **card.get("lineage", {})}
    files, label_counts = [], dict.fromkeys(model.labels, 0)
    for record in records:
        file = dataclasses.asdict(record)
        for label, count in file.pop("label_counts").items():
            label_counts[label] += count
        files.append(file)
    return {
        "synthetic": True,
        "synthmill_version": version("synthmill"),
        "model": {
            "name": model.name,
            "digest": model.digest,
            "kind": model.kind,
            "family": model.family,
            "labels": list(model.labels),
        },
        "recipe": dataclasses.asdict(recipe),
        "lineage": lineage,
        "license": card.get("license", ""),
        "format": format_name,
        "row_count": sum(file["row_count"] for file in files),
        "label_counts": label_counts,
        "files": files,
    }


def describe_file(path: Path) -> tuple[str, int]:
    """Returns digest and size of a file, whose bytes are then on the disk."""
    sync(path)
    return digest_of(path), path.stat().st_size


def digest_of(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_text(value: Mapping[str, Any]) -> str:
    """Returns JSON for people too."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
