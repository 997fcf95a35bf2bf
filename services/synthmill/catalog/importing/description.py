"""Describes a finished import: the row of its version, its preview, and what is worth telling."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from synthmill.catalog import columns
from synthmill.catalog.importing.planning import Plan
from synthmill.catalog.importing.request import ImportSpec
from synthmill.catalog.importing.source import Reading
from synthmill.catalog.importing.writing import WrittenDataset
from synthmill.catalog.tables import DatasetVersion
from synthmill.kinds.base import Kind
from synthmill.kinds.dataset_files import columns_of

_PREVIEW_RECORDS = 60
_PREVIEW_COLUMNS = 12
_TRAIT_VALUES = 50


def describe_version(
    spec: ImportSpec, kind: Kind, reading: Reading, plan: Plan, written: WrittenDataset, statistics: dict[str, Any]
) -> DatasetVersion:
    """Makes the row of the new version; its name, job and files are for the publication to add."""
    return DatasetVersion(
        kind=spec.kind,
        labels=plan.label_names,
        columns=columns.to_json(columns_of(kind, reading.schema, plan.label_names)),
        splits=[dataclasses.asdict(split) for split in written.splits],
        record_count=len(plan.rows),
        schema=reading.schema,
        statistics={**statistics, **count_traits(reading.traits)},
        provenance=spec.provenance,
        report={
            "seen_count": reading.seen_count,
            "kept_count": len(plan.rows),
            "dropped_count": reading.issues.dropped_count,
            "issue_counts": reading.issues.counts,
        },
        digest=written.digest,
    )


def draw_preview(kind: Kind, reading: Reading, plan: Plan) -> bytes:
    """Draws the first records of each class in turn, as a PNG file."""
    labels = plan.labels[plan.rows]
    turn = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        of_class = labels == label
        turn[of_class] = np.arange(of_class.sum())
    rows = plan.rows[np.lexsort((labels, turn))][:_PREVIEW_RECORDS]
    captions = [plan.label_names[label] for label in plan.labels[rows]] if plan.label_names else []
    per_row = len(plan.label_names) if 1 < len(plan.label_names) <= _PREVIEW_COLUMNS else _PREVIEW_COLUMNS
    return kind.picture(reading.spool.columns(rows), reading.schema, captions, per_row)


def count_traits(traits: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Groups counted traits by name, the most frequent values first and rare ones of many as "other"."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for (name, value), count in traits.most_common():
        key = value if len(counts[name]) < _TRAIT_VALUES else "other"
        counts[name][key] = counts[name].get(key, 0) + count
    return dict(counts)


def messages(reading: Reading, plan: Plan) -> list[str]:
    """Says what a person should know who reads nothing else."""
    told = [f"{reading.seen_count} items seen, {len(plan.rows)} records kept: {reading.issues.summary()}"]
    if len(plan.label_names) == 1:
        told.append(f"all records have the same label, {plan.label_names[0]}")
    for name, counts in count_traits(reading.traits).items():
        if len(counts) > 1:
            mixed = ", ".join(f"{value} ({count})" for value, count in counts.items())
            told.append(f"{name} is mixed and was evened out: {mixed}")
    return told
