"""The records of an evaluation, opened and checked split by split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthmill.kinds.base import Columns, Kind
from synthmill.learning.data import count_records, open_columns
from synthmill.learning.evaluate.task import EvaluationTask
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import BadData

# One record has no neighbour, and one class nothing that it could be taken for.
_LEAST_RECORDS, _LEAST_CLASSES = 2, 2


@dataclasses.dataclass(frozen=True)
class Splits:
    """Records and samples, mapped into memory.

    Attributes:
        train: real training records.
        validation: real records to choose by; None if there are none.
        test: real records to test on.
        samples: samples.
    """

    train: Columns
    validation: Columns | None
    test: Columns
    samples: Columns

    @property
    def counts(self) -> dict[str, int]:
        """How many records there are, by split; the samples are one."""
        splits = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: count_records(columns) for name, columns in splits.items() if columns is not None}


def open_splits(task: EvaluationTask, kind: Kind) -> Splits:
    """Maps all files into memory.

    Raises:
        BadData: a split does not fit the schema, or has too few records or classes; its name is in the message and in
            the error's "split".
    """

    def read(split: str, paths: Mapping[str, Path]) -> Columns:
        try:
            columns = open_columns(paths, kind.columns(task.schema), len(task.labels))
            _require_enough(columns, task, real=split != "samples")
        except BadData as error:
            raise BadData(f"{split}: {error.message}", **{**error.metadata, "split": split}) from error
        return columns

    return Splits(
        read("train", task.train),
        read("validation", task.validation) if task.validation else None,
        read("test", task.test),
        read("samples", task.samples),
    )


def _require_enough(columns: Columns, task: EvaluationTask, *, real: bool) -> None:
    if count_records(columns) < _LEAST_RECORDS:
        raise BadData(f"{count_records(columns)} record, allowed: at least {_LEAST_RECORDS}")
    # Samples of one class are bad samples, which is to be found out.
    if task.has_classes and real:
        found = np.unique(columns[LABEL])
        if len(found) < _LEAST_CLASSES:
            raise BadData(f"records of {task.labels[found[0]]!r} alone, allowed: of at least {_LEAST_CLASSES} classes")
