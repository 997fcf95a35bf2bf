"""Draws some of many records as a grid, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthmill.kinds.base import Kind, Schema
from synthmill.kinds.dataset_files import LABEL

_MOST = 60
_COLUMNS = 12
# With fewer of a class than this, classes share rows.
_FEWEST_IN_ROW = 4


def draw_grid(kind: Kind, schema: Schema, labels: Sequence[str], columns: Mapping[str, np.ndarray]) -> bytes:
    """Draws the first records of each class, a row for each where there are few classes.

    Args:
        kind: of the records.
        schema: the kind's schema of them.
        labels: class names; empty without classes.
        columns: the records, with labels if there are classes; more than memory holds is fine if they are on disk.

    Returns:
        A PNG file.
    """
    each = max(1, _MOST // max(1, len(labels)))
    if labels:
        label = np.asarray(columns[LABEL])
        rows = np.concatenate([np.flatnonzero(label == number)[:each] for number in range(len(labels))])[:_MOST]
    else:
        rows = np.arange(min(_MOST, len(next(iter(columns.values())))))
    batch = {name: np.asarray(array[rows]) for name, array in columns.items()}
    captions = [labels[number] for number in batch[LABEL]] if labels else []
    return kind.picture(batch, schema, captions, each if _FEWEST_IN_ROW <= each <= _COLUMNS else _COLUMNS)
