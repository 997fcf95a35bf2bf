"""What columns look like, as JSON for the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Specs = Mapping[str, tuple[np.dtype, tuple[int, ...]]]
"""Dtype and shape of one record's part, by column name."""


def to_json(columns: Specs) -> list[dict[str, Any]]:
    """Describes columns as JSON, in their order."""
    return [{"name": name, "dtype": dtype.str, "shape": list(shape)} for name, (dtype, shape) in columns.items()]


def from_json(described: Sequence[Mapping[str, Any]]) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Inverse of `to_json`."""
    return {column["name"]: (np.dtype(column["dtype"]), tuple(column["shape"])) for column in described}
