"""Evaluations of digits and of the toy kind's points, in short."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from unit.learning.evaluate.records import DIGITS, SCHEMA, parts

from synthmill.kinds.base import Columns
from synthmill.learning.evaluate.task import EvaluationTask
from synthmill.learning.task import Machine

MACHINE = Machine(accelerator="cpu", threads=1)
SHIFTS = {"steps": [{"op": "translate", "x": [-0.05, 0.05], "y": [-0.05, 0.05]}]}


def make_points(count: int, seed: int) -> Columns:
    """Returns points of two classes, which overlap a little; needs the kind "point"."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 2
    position = rng.normal(0, 10, (count, 2)) + 15 * (label[:, None] * 2 - 1)
    position = position.astype(np.float32)
    return {"position": position, "weight": np.linalg.norm(position, axis=1), "label": label}


def digits_task(folder: Path, samples: Columns, **given: Any) -> EvaluationTask:
    """Writes digits and samples of them, and returns an evaluation of these."""
    train, test, _ = parts()
    task = EvaluationTask(
        subject=("models/digits/versions/1", "5" * 64),
        reference=("datasets/digits/versions/1", "7" * 64),
        kind="image",
        schema=SCHEMA,
        labels=DIGITS,
        train=write(folder, "train", train),
        validation={},
        test=write(folder, "test", test),
        samples=write(folder, "samples", samples),
        probe_steps=100,
        seed=1,
    )
    return dataclasses.replace(task, **given)


def points_task(folder: Path, samples: Columns | None = None, **given: Any) -> EvaluationTask:
    """Writes points and returns an evaluation of others in the place of samples."""
    task = EvaluationTask(
        subject=("models/points/versions/1", "5" * 64),
        reference=("datasets/points/versions/1", "7" * 64),
        kind="point",
        schema={"axes": 2},
        labels=("left", "right"),
        train=write(folder, "train", make_points(240, 0)),
        validation=write(folder, "validation", make_points(100, 1)),
        test=write(folder, "test", make_points(240, 2)),
        samples=write(folder, "samples", make_points(240, 3) if samples is None else samples),
        seeds=2,
        probe_steps=60,
        seed=1,
    )
    return dataclasses.replace(task, **given)


def write(folder: Path, split: str, columns: Columns) -> dict[str, Path]:
    """Writes columns as .npy files and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in columns.items():
        np.save(folder / f"{split}.{name}.npy", array)
    return {name: folder / f"{split}.{name}.npy" for name in columns}
