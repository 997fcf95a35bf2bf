"""Operations that move pixels by smooth fields.

No field folds the picture: where one is so steep that it might, all of it is made smaller. Boxes and keypoints are
moved against the field step by step, which needs that too.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations.base import Distortion, Values

# How much displacements may differ between two places, by their distance. From 1 on a field may fold.
_STEEPEST = 0.6
# Nodes for each standard deviation of a smooth field: between them it is as good as straight.
_NODES = 4
# Places in each cell of a grid at which the field's steepness is measured.
_PLACES = 8


@dataclasses.dataclass(frozen=True)
class ElasticParameters:
    """How far, and how smoothly."""

    strength: tuple[float, float] = parameter(
        (0.01, 0.05), "longest way of a pixel, as a share of the shorter side", minimum=0, maximum=0.5
    )
    smoothness: float = parameter(
        0.1, "standard deviation of the Gaussian, as a share of the shorter side", minimum=0.02, maximum=1
    )


class Elastic(Distortion):
    """Moves pixels by random ways that a Gaussian has smoothed, less far where they would fold (Simard 2003)."""

    name = "elastic"
    parameters = ElasticParameters

    def displace(
        self, given: ElasticParameters, values: Values, size: tuple[int, int], generator: np.random.Generator
    ) -> np.ndarray:
        shorter = min(size)
        sigma = given.smoothness * shorter
        rows, columns = (int(np.ceil(side / max(1.0, sigma / _NODES))) for side in size)
        spacing = np.array([size[0] / rows, size[1] / columns])
        nodes = generator.standard_normal((rows, columns, 2), np.float32)
        down, right = sigma / spacing
        nodes = cv2.GaussianBlur(nodes, (0, 0), sigmaX=right, sigmaY=down, borderType=cv2.BORDER_REFLECT)
        nodes *= np.float32(values["strength"] * shorter / np.sqrt((nodes**2).sum(axis=2).max()))
        nodes = _limited(nodes, spacing)
        return cv2.resize(nodes, size[::-1], interpolation=cv2.INTER_LINEAR)


@dataclasses.dataclass(frozen=True)
class GridDistortionParameters:
    """How far, and how finely."""

    strength: tuple[float, float] = parameter(
        (0.05, 0.15), "longest way of a node, as a share of its cell, in each direction", minimum=0, maximum=0.5
    )
    cells: int = parameter(5, "cells of the grid, across and down", minimum=1, maximum=32)


class GridDistortion(Distortion):
    """Moves the nodes of a grid by random ways, and smoothly what is between; less far where it would fold."""

    name = "grid_distortion"
    parameters = GridDistortionParameters

    def displace(
        self, given: GridDistortionParameters, values: Values, size: tuple[int, int], generator: np.random.Generator
    ) -> np.ndarray:
        cell = np.array(size) / given.cells
        ways = (
            generator.uniform(-1, 1, (2, given.cells + 1, given.cells + 1))
            * values["strength"]
            * cell[::-1, None, None]
        )
        between = _between_nodes(given.cells, given.cells * _PLACES + 1)
        ways *= _factor(np.moveaxis(between @ ways @ between.T, 0, 2), cell / _PLACES)
        down, right = (_between_nodes(given.cells, side, middles=True).astype(np.float32) for side in size)
        return np.moveaxis(down @ ways.astype(np.float32) @ right.T, 0, 2)


@dataclasses.dataclass(frozen=True)
class OpticalParameters:
    """How much."""

    strength: tuple[float, float] = parameter(
        (-0.15, 0.15), "shift of the corners, as a share of their distance from the centre", minimum=-0.2, maximum=0.2
    )


class Optical(Distortion):
    """Bends straight lines as lenses do: outwards, like a barrel, above 0, and inwards, like a pincushion, below."""

    name = "optical"
    parameters = OpticalParameters

    def displace(self, given: Any, values: Values, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
        y, x = (np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2) for side in size)
        square = (x**2 + y[:, None] ** 2) * np.float32(4 * values["strength"] / (size[0] ** 2 + size[1] ** 2))
        return np.stack([square * x, square * y[:, None]], axis=2)


def _limited(nodes: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    return nodes * np.float32(_factor(nodes, spacing))


def _factor(nodes: np.ndarray, spacing: np.ndarray) -> float:
    """Returns what to multiply a field with so that it is not too steep.

    Args:
        nodes: displacements on a regular grid, (rows, columns, 2), between which the field is as good as linear.
        spacing: of the grid, in pixels down and right.
    """
    down, right = (np.diff(nodes, axis=axis) / spacing[axis] for axis in (0, 1))
    steepest = np.sqrt((down**2).sum(axis=2).max(initial=0) + (right**2).sum(axis=2).max(initial=0))
    return _STEEPEST / max(steepest, _STEEPEST)


@functools.lru_cache(maxsize=64)
def _between_nodes(cells: int, count: int, *, middles: bool = False) -> np.ndarray:
    """Returns the weights of a line's nodes at some of its places, float64 (count, cells + 1): Catmull-Rom splines.

    Args:
        cells: between the nodes.
        count: places, from end to end.
        middles: places are the middles of `count` equal parts of the line.
    """
    at = (np.arange(count) + 0.5) * cells / count if middles else np.linspace(0, cells, count)
    first = np.floor(at).clip(0, cells - 1).astype(int)
    x = at - first
    parts = (
        -x / 2 + x**2 - x**3 / 2,
        1 - 2.5 * x**2 + 1.5 * x**3,
        x / 2 + 2 * x**2 - 1.5 * x**3,
        (x**3 - x**2) / 2,
    )
    wide = np.zeros((count, cells + 3))
    for offset, part in enumerate(parts):
        wide[np.arange(count), first + offset] = part
    # Beyond either end the line goes on straight: a node there is twice the last less the last but one.
    weights = wide[:, 1:-1].copy()
    weights[:, 0] += 2 * wide[:, 0]
    weights[:, 1] -= wide[:, 0]
    weights[:, -1] += 2 * wide[:, -1]
    weights[:, -2] -= wide[:, -1]
    return weights


OPERATIONS = (Elastic(), GridDistortion(), Optical())
