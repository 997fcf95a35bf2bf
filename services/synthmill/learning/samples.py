"""Draws samples from a network that is still in torch, with the noise of the sampler graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from synthmill.kinds.base import Columns, Kind, Learning, Schema
from synthmill.learning.graph.noise import standard_normal

_GRID_COLUMNS = 10
_GRID_ROWS = 6


@torch.no_grad()
def draw_samples(
    generator: nn.Module, learning: Learning, latent_size: int, seed: int, index: np.ndarray, label: np.ndarray | None
) -> Columns:
    """Returns the samples that the generator's sampler graph has for this seed.

    Args:
        generator: in evaluation mode.
        learning: finishes its output.
        latent_size: dimensions of the latent vector.
        seed: in [0, 2^64).
        index: int64 (N,).
        label: int64 (N,), or None if unconditional.
    """
    device = next(generator.parameters()).device
    z = torch.from_numpy(standard_normal(seed, index, latent_size)).to(device)
    classes = None if label is None else torch.from_numpy(label).to(device)
    return {name: column.cpu().numpy() for name, column in learning.decode(generator(z, classes)).items()}


def draw_grid(
    generator: nn.Module, kind: Kind, schema: Schema, labels: tuple[str, ...], latent_size: int, seed: int
) -> bytes:
    """Draws a PNG file with a grid of samples, a class per column where there are classes."""
    columns = min(len(labels), _GRID_COLUMNS) or _GRID_COLUMNS
    index = np.arange(columns * _GRID_ROWS)
    label = index % columns if labels else None
    batch = draw_samples(generator, kind.learning(), latent_size, seed, index, label)
    captions = [] if label is None else [labels[position] for position in label]
    return kind.picture(batch, schema, captions, columns)
