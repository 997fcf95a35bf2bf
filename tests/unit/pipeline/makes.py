"""What fake services tell: a dataset with real records, what an evaluation has found."""

from __future__ import annotations

from unit.pipeline.worths import COUNTS, LABELS

from synthmill.learning.evaluate.findings import Better, Extractor, Figure, Findings, Group, Interval, Party
from synthmill.runtime.structs import to_struct
from synthmill.v1 import (
    dataset_pb2,
)

SIDE = 8
DATASET = "datasets/pets/versions/1"
SCHEMA = {"height": SIDE, "width": SIDE, "channels": 1}


def make_dataset(name: str = DATASET, splits: tuple[str, ...] = ("train", "validation", "test")) -> dataset_pb2.Dataset:
    """Makes a version of the dataset with real records."""
    dataset = dataset_pb2.Dataset(name=name, kind="image", labels=LABELS, digest="d" * 64, schema=to_struct(SCHEMA))
    for split in splits:
        dataset.splits.add(name=split, record_count=sum(COUNTS.values()), class_counts=COUNTS.values())
    return dataset


def make_findings(subject: str, lift: float) -> Findings:
    """Makes what an evaluation has found."""

    def figure(name: str, interval: Interval, by_class: dict[str, float]) -> Figure:
        return Figure(name, Group.UTILITY, name, name, Better.HIGH, interval, None, by_class)

    return Findings(
        subject=Party(subject, "", {}),
        reference=Party(DATASET, "", {}),
        kind="image",
        labels=LABELS,
        extractor=Extractor("", "", "", 0.0),
        figures=[
            figure("lift", Interval(lift, lift - 0.005, lift + 0.005), {}),
            figure("coverage", Interval(0.8, 0.8, 0.8), {"cat": 0.9, "dog": 0.9, "fox": 0.5}),
        ],
        arms=[],
        conditions=[],
        passed=True,
        verdict=[],
        pictures=[],
        distributions=[],
        settings={},
    )
