"""Small training tasks on real digits and on the toy kind's points."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from support.data import digits
from synthmill.learning.task import Machine, TrainingTask

# One thread: the tests are too small to gain from more, and share the machine.
MACHINE = Machine(accelerator="cpu", threads=1, checkpoint_interval_s=1e9, report_interval_s=0.0)

TINY = {"steps": 12, "batch_size": 8, "latent_size": 4}


def digits_task(folder: Path, family: str = "gan", *, labelled: bool = True, **parameters: Any) -> TrainingTask:
    """Writes 300 digits of 8 x 8 and returns a task for them, tiny unless the parameters say otherwise."""
    images, labels = digits()
    columns = _write(folder, image=images[:300, :, :, None], **({"label": labels[:300]} if labelled else {}))
    return TrainingTask(
        model="models/digits-test",
        kind="image",
        schema={"height": 8.0, "width": 8.0, "channels": 1.0},
        labels=tuple("0123456789") if labelled else (),
        columns=columns,
        family=family,
        parameters=TINY | {"width": 4} | parameters,
        seed=5,
        lineage={"dataset": "datasets/digits/versions/1"},
        license="CC-BY-4.0",
    )


def points_task(folder: Path, family: str = "gan", **parameters: Any) -> TrainingTask:
    """Writes 200 points of two classes and returns a task for them; needs the kind "point"."""
    rng = np.random.default_rng(0)
    label = np.arange(200) % 2
    position = rng.normal(0, 5, (200, 2)).astype(np.float32) + np.float32(20) * (label[:, None] * 2 - 1)
    position = position.astype(np.float32)
    weight = np.linalg.norm(position, axis=1)
    return TrainingTask(
        model="models/points-test",
        kind="point",
        schema={"axes": 2},
        labels=("left", "right"),
        columns=_write(folder, position=position, weight=weight, label=label),
        family=family,
        parameters=TINY | parameters,
        seed=5,
    )


def toy_kind_environment() -> dict[str, str]:
    """Returns an environment in which other processes know the toy kind and these modules."""
    tests = str(Path(__file__).parents[2])
    search_path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    return os.environ | {"SYNTHMILL_KINDS": "kinds.point", "PYTHONPATH": search_path, "OMP_NUM_THREADS": "1"}


def _write(folder: Path, **columns: np.ndarray) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in columns.items():
        np.save(folder / f"{name}.npy", array)
    return {name: folder / f"{name}.npy" for name in columns}
