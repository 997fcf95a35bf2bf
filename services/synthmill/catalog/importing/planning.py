"""Decides which records are kept, with which label and in which split; pure."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from synthmill.catalog.importing.duplicates import Finding, find_equal
from synthmill.catalog.importing.spool import NO_LABEL, NO_SPLIT, Spool
from synthmill.catalog.splits import DEFAULT_SPLIT, SPLITS, SplitParameters
from synthmill.runtime.errors import BadData

MAX_LABELS = 10_000


@dataclasses.dataclass(frozen=True)
class Plan:
    """What becomes of the records of a spool.

    Attributes:
        label_names: class names, sorted; empty if the source has no labels.
        labels: int64 (N,), positions in `label_names`; `NO_LABEL` everywhere if there are none.
        splits: int8 (N,), positions in `SPLITS`.
        rows: rows of the records kept, in the order they are stored: by split, then by position in the source.
        unlabelled: rows dropped because they alone have no label.
        findings: equal records, those dropped and those in conflict.
    """

    label_names: list[str]
    labels: np.ndarray
    splits: np.ndarray
    rows: np.ndarray
    unlabelled: np.ndarray
    findings: list[Finding]

    def rows_of(self, split: str) -> np.ndarray:
        """Returns the rows of a split, in the order they are stored."""
        return self.rows[self.splits[self.rows] == SPLITS.index(split)]


def make_plan(spool: Spool, shares: SplitParameters) -> Plan:
    """Sorts labels, drops equal and unlabelled records, and splits what is left as far as the source does not.

    Raises:
        BadData: there are more classes than a label column can be meant to have.
    """
    label_names, labels = sort_labels(spool.label_names, spool.labels)
    has_splits = bool((spool.splits != NO_SPLIT).any())
    splits = np.where(spool.splits == NO_SPLIT, SPLITS.index(DEFAULT_SPLIT), spool.splits).astype(np.int8)
    is_kept = labels != NO_LABEL if label_names else np.ones(len(labels), bool)
    unlabelled = np.flatnonzero(~is_kept)
    candidates = np.flatnonzero(is_kept)
    digests = spool.digests
    findings = [
        dataclasses.replace(found, row=int(candidates[found.row]), other=int(candidates[found.other]))
        for found in find_equal(digests[candidates], splits[candidates], labels[candidates])
    ]
    is_kept[[found.row for found in findings if found.dropped]] = False
    rows = np.flatnonzero(is_kept)
    if not has_splits:
        splits[rows] = draw_split(splits[rows], digests[rows], labels[rows], "test", shares.test_fraction)
    if not (splits[rows] == SPLITS.index("validation")).any():
        splits[rows] = draw_split(splits[rows], digests[rows], labels[rows], "validation", shares.validation_fraction)
    rows = rows[np.argsort(splits[rows], kind="stable")]
    return Plan(label_names, labels, splits, rows, unlabelled, findings)


def sort_labels(names: list[str], labels: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Sorts class names, numbers in them by value ("2" before "10"), and renumbers the labels to match.

    Raises:
        BadData: there are more than `MAX_LABELS`.
    """
    if len(names) > MAX_LABELS:
        raise BadData(
            f"label_from: gives {len(names):,} classes, allowed: at most {MAX_LABELS:,}; is it an identifier?",
            field="label_from",
            value=len(names),
            allowed=f"at most {MAX_LABELS} classes",
        )
    order = sorted(range(len(names)), key=lambda position: _natural(names[position]))
    ranks = np.empty(len(names) + 1, np.int64)
    ranks[order] = np.arange(len(names))
    ranks[NO_LABEL] = NO_LABEL
    return [names[position] for position in order], ranks[labels]


def draw_split(splits: np.ndarray, digests: np.ndarray, labels: np.ndarray, name: str, share: float) -> np.ndarray:
    """Moves a share of each class from the training split to another, by content alone: whatever the order, the same.

    Args:
        splits: int8 (N,), positions in `SPLITS`.
        digests: uint64 (N, 2), which serve as fixed lots.
        labels: int64 (N,).
        name: the other split.
        share: of each class's training records, rounded to whole records; a class keeps at least one for training.

    Returns:
        int8 (N,), positions in `SPLITS`.
    """
    splits = splits.copy()
    rows = np.flatnonzero(splits == SPLITS.index(DEFAULT_SPLIT))
    order = rows[np.lexsort((digests[rows, 1], digests[rows, 0], labels[rows]))]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    for start, count in zip(starts, counts, strict=True):
        drawn = min(int(count * share + 0.5), count - 1)
        splits[order[start : start + drawn]] = SPLITS.index(name)
    return splits


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
