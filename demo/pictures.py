"""Draws real images above synthetic ones, a column per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from measure import Labelled

matplotlib.use("agg")

import matplotlib.pyplot as plt

ROWS = 4


def draw(real: Labelled, synthetic: Labelled, classes: Sequence[str], path: Path) -> None:
    """Writes a PNG with a few images of every class, real ones above, synthetic ones below."""
    figure, axes = plt.subplots(2 * ROWS + 1, len(classes), figsize=(0.7 * len(classes), 0.7 * (2 * ROWS + 1)))
    for axis in axes.flat:
        axis.axis("off")
    for column, name in enumerate(classes):
        axes[0, column].set_title(name)
        for block, data in enumerate((real, synthetic)):
            chosen = data.images[data.labels == column][:ROWS]
            for row, image in enumerate(chosen, start=block * (ROWS + 1)):
                axes[row, column].imshow(np.squeeze(image), cmap="gray", vmin=0, vmax=255)
    figure.text(0.02, 0.75, "real", rotation=90, va="center")
    figure.text(0.02, 0.25, "synthetic", rotation=90, va="center")
    figure.savefig(path, dpi=110)
    plt.close(figure)
