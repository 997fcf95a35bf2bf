"""The schema of an image."""

from __future__ import annotations

from synthmill.kinds.base import Schema


def shape_of(schema: Schema) -> tuple[int, int, int]:
    """Returns (height, width, channels) as integers, also of a schema that has travelled, where numbers are floats."""
    return int(schema["height"]), int(schema["width"]), int(schema["channels"])
