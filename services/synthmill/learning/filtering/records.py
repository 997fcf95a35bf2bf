"""The real records that a probe learns from, and those that filters are judged on."""

from __future__ import annotations

import dataclasses

import numpy as np

from synthmill.kinds.base import Columns
from synthmill.learning.data import Order, count_records, load, open_columns
from synthmill.learning.draws import Stream, derive_seed, derive_sequence
from synthmill.learning.filtering.task import FilteringTask
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.probing import Drawn
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import BadData

# Of the records of a class that are learned from, where there are no others to judge on.
_HELD_OUT_SHARE = 0.2
_MOST_HELD_OUT = 10_000


@dataclasses.dataclass(frozen=True)
class Records:
    """Real records in two parts, of which no record is in both.

    Attributes:
        columns: of the split "train".
        learned: rows of it that a probe learns from, int64.
        judged: columns of the records that filters are judged on.
        where: which records these are, for people.
    """

    columns: Columns
    learned: np.ndarray
    judged: Columns
    where: str

    def supply(self, seed: int) -> Drawn:
        """Returns what a probe learns from."""
        return Drawn(self.columns, Order(derive_seed(seed, Stream.ORDER), [self.learned]))


def open_records(task: FilteringTask, info: GraphInfo) -> Records:
    """Opens the records of a task.

    Raises:
        BadData: they do not fit the graph, or there are too few to hold some out.
    """
    labels = len(info.metadata.labels)
    columns = open_columns(task.train, info.columns, labels)
    if task.validation:
        judged = open_columns(task.validation, info.columns, labels)
        return Records(columns, np.arange(count_records(columns)), judged, f"{task.dataset}, split validation")
    held_out = _hold_out(np.asarray(columns[LABEL]), labels, task.seed)
    learned = np.setdiff1d(np.arange(count_records(columns)), held_out)
    if not len(held_out):
        raise BadData(f"{task.dataset} has too few records in the split train to judge a filter on some of them")
    where = f"{task.dataset}, {len(held_out)} records of the split train that the probe did not learn from"
    return Records(columns, learned, load(columns, held_out), where)


def _hold_out(labels: np.ndarray, label_count: int, seed: int) -> np.ndarray:
    """Draws rows, the same share of each class, int64, ascending."""
    generator = np.random.default_rng(derive_sequence(seed, Stream.HOLDING_OUT))
    share = min(_HELD_OUT_SHARE, _MOST_HELD_OUT / len(labels))
    chosen = [
        generator.permutation(rows)[: int(share * len(rows))]
        for rows in (np.flatnonzero(labels == label) for label in range(label_count))
    ]
    return np.sort(np.concatenate(chosen))
