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
from synthmill.runtime.filters import ATTEMPT, PASSED
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
        filter: arguments of `synthmill.client.sample_filter`; None if there was none.
    """

    seed: int
    start_index: int
    count: int
    label_plan: str = ""
    truncation: float | None = None
    filter: dict[str, Any] | None = None


class Tally:
    """Counts the samples of each class and what a filter says of them, and sees to it that all come from their model.

    Args:
        model: the version.
    """

    def __init__(self, model: model_pb2.Model) -> None:
        self._model = model
        self._counts = np.zeros(len(model.labels), np.int64)
        self._outcomes: dict[str, int] = {}

    def add(self, batch: Batch) -> None:
        """Counts a batch.

        Raises:
            DataLoss: another model has made it.
        """
        if batch.model_digest != self._model.digest:
            raise DataLoss(f"{self._model.name}: samples of {batch.model_digest} came, not of {self._model.digest}")
        if len(self._counts):
            self._counts += np.bincount(batch[LABEL], minlength=len(self._counts))
        if {ATTEMPT, PASSED} <= set(batch.columns):
            self._outcomes = add_counts([self._outcomes, outcomes(batch[ATTEMPT], batch[PASSED])])

    def label_counts(self) -> dict[str, int]:
        """Returns the numbers by class name."""
        return dict(zip(self._model.labels, self._counts.tolist(), strict=True))

    def filter_counts(self) -> dict[str, int]:
        """Returns the numbers by which candidate passed, as `outcomes`; empty without a filter."""
        return dict(self._outcomes)


def outcomes(attempt: np.ndarray, passed: np.ndarray) -> dict[str, int]:
    """Counts filtered samples: "first" whose first candidate passed, "later" another one, "none" none of them."""
    first, in_all = int((passed & (attempt == 0)).sum()), int(passed.sum())
    return {"first": first, "later": in_all - first, "none": len(passed) - in_all}


def add_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Returns the sums by name."""
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


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
        filter_counts: samples by which of their candidates passed; empty without a filter.
    """

    name: str
    sha256: str
    size_bytes: int
    first_index: int
    row_count: int
    label_counts: dict[str, int]
    filter_counts: dict[str, int] = dataclasses.field(default_factory=dict)


def make_manifest(
    model: model_pb2.Model, card: Mapping[str, Any], recipe: Recipe, format_name: str, records: Iterable[Record]
) -> dict[str, Any]:
    """Returns the manifest as JSON; the same recipe gives the same manifest.

    Args:
        card: the model's card.
        records: the files, in the order of their samples.
    """
    lineage = {"dataset": model.dataset, "job": model.job, **card.get("lineage", {})}
    files = [dataclasses.asdict(record) for record in records]
    label_counts = add_counts([dict.fromkeys(model.labels, 0), *(file.pop("label_counts") for file in files)])
    filter_counts = add_counts(file.pop("filter_counts") for file in files)
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
        **({"filter_counts": filter_counts} if recipe.filter else {}),
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
