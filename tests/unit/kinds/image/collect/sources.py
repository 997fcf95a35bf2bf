"""Runs a collection and sorts what it yields."""

from __future__ import annotations

from pathlib import Path

from synthmill.kinds.base import CollectLimits, Item, Rejection
from synthmill.kinds.image.collect import collect


def collected(
    source: Path, label_from: str = "", limits: CollectLimits | None = None
) -> tuple[list[Item], list[Rejection]]:
    """Returns items and rejections, each in their order."""
    found = list(collect(source, label_from, limits or CollectLimits()))
    return [i for i in found if isinstance(i, Item)], [r for r in found if isinstance(r, Rejection)]


def placed(source: Path, label_from: str = "") -> dict[str, tuple[str | None, str | None]]:
    """Returns (label, split) by name of each item."""
    items, _ = collected(source, label_from)
    return {item.source: (item.label, item.split) for item in items}
