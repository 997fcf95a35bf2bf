"""Pictures of what a benchmark found; needs matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from synthmill.runtime.errors import FailedPrecondition

Panel = Callable[[Any], None]
"""Draws on the axes it is given."""


def check_plotting() -> None:
    """Makes sure that a picture can be drawn.

    Raises:
        FailedPrecondition: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise FailedPrecondition("--plot needs matplotlib, which the client does without: pip install matplotlib")


def draw_panels(panels: Sequence[Panel], title: str, path: Path) -> None:
    """Draws panels side by side.

    Args:
        panels: what to draw.
        title: above all of them.
        path: file to write; what it ends in chooses the format.

    Raises:
        FailedPrecondition: matplotlib is not installed.
    """
    check_plotting()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(panels), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for position, draw in enumerate(panels, start=1):
        draw(figure.add_subplot(1, len(panels), position))
    figure.suptitle(title)
    figure.savefig(path, dpi=130)
