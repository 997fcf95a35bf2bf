"""The manifest of written samples: what they are, where they come from, how to make them again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from synthmill.client.batches import Batch
from synthmill.client.staging import sync
from synthmill.client.writers.base import Written
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


def make_manifest(
    model: model_pb2.Model,
    card: Mapping[str, Any],
    recipe: Recipe,
    format_name: str,
    label_counts: Mapping[str, int],
    files: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Returns the manifest as JSON; the same recipe gives the same manifest.

    Args:
        card: the model's card.
        label_counts: samples of each class.
        files: as `describe_files` returns them.
    """
    lineage = {"dataset": model.dataset, "job": model.job, **card.get("lineage", {})}
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
        "row_count": recipe.count,
        "label_counts": dict(label_counts),
        "files": list(files),
    }


def describe_files(folder: Path, written: Sequence[Written]) -> list[dict[str, Any]]:
    """Returns name, size and digest of files, whose bytes are then on the disk."""
    return [_describe(folder, item) for item in written]


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Writes a manifest as text for people too."""
    path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sync(path)


def _describe(folder: Path, item: Written) -> dict[str, Any]:
    path = folder / item.name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    sync(path)
    return {
        "name": item.name,
        "sha256": digest,
        "size_bytes": path.stat().st_size,
        "row_count": item.row_count,
    }
