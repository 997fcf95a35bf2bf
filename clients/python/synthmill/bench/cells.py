"""Figures as cells of tables for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

_MIB = 1 << 20

Table = Callable[[Sequence[str], Sequence[Sequence[Any]]], str]
"""Lays out a header and rows."""


def number(value: float | None) -> str:
    """Returns a number without decimals; empty if it is not known."""
    return "" if value is None else f"{value:,.0f}"


def mebibytes(size_bytes: float) -> str:
    """Returns a number of MiB without decimals."""
    return number(size_bytes / _MIB)


def milliseconds(value: float | None) -> str:
    """Returns milliseconds; empty if they are not known."""
    return "" if value is None else f"{value:,.2f}"


def percentiles(found: Mapping[str, float], ranks: Sequence[int]) -> list[str]:
    """Returns percentiles of a latency in milliseconds, as `latency_figures` names them."""
    return [milliseconds(found.get(f"p{rank}_ms")) for rank in ranks]


def share(values: Sequence[float] | None) -> str:
    """Returns the median of shares, and their range if there are several; empty if there are none."""
    if not values:
        return ""
    return f"{median(values):.3f} [{min(values):.2f} {max(values):.2f}]" if len(values) > 1 else f"{values[0]:.3f}"
