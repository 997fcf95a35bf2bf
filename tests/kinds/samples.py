"""A small source for every kind, so that the contract suite can run over all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from kinds import point

from support.data import digits, write_folders
from synthmill.kinds.base import Kind
from synthmill.kinds.registry import get_kind


@dataclasses.dataclass(frozen=True)
class KindCase:
    """A kind and how to make a source of it.

    Attributes:
        write_source: writes a labelled source with `good` usable items and one bad one, and returns its path.
        label_from: a value that the source has labels for.
        parameters: import parameters other than the defaults, as people type them.
    """

    kind: Kind
    write_source: Callable[[Path], Path]
    label_from: str
    parameters: dict[str, Any]
    good: int = 40


def _write_images(folder: Path) -> Path:
    images, labels = digits()
    root = write_folders(folder / "digits", images[:40], labels[:40] % 3)
    (root / "0" / "broken.png").write_bytes(b"\x89PNG no image")
    return root


def _write_points(folder: Path) -> Path:
    points = np.random.default_rng(0).normal(0, 30, (40, 2))
    rows = [f"{x:.4f},{y:.4f},{'left' if x < 0 else 'right'}" for x, y in points]
    path = folder / "points.csv"
    path.write_text("\n".join([*rows[:20], "1.0,many,left", *rows[20:]]) + "\n")
    return path


CASES = {
    "image": KindCase(get_kind("image"), _write_images, "folder", {"height": "16", "width": "12", "channels": "3"}),
    "point": KindCase(point.KIND, _write_points, "class", {"scale": "0.5"}),
}
