"""Stacks of projective maps of the plane, float64 (n, 3, 3), which act on columns (x, y, 1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# What lies behind the eye has a last coordinate below zero; taken for this, it lies far outside.
_HORIZON = 1e-6
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def linear(xx: npt.ArrayLike, xy: npt.ArrayLike, yx: npt.ArrayLike, yy: npt.ArrayLike) -> np.ndarray:
    """Returns maps (x, y) -> (xx x + xy y, yx x + yy y); the arguments are numbers or (n,)."""
    matrix = np.zeros((max(map(np.size, (xx, xy, yx, yy))), 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1] = xx, xy, yx, yy
    matrix[:, 2, 2] = 1
    return matrix


def translation(x: npt.ArrayLike, y: npt.ArrayLike) -> np.ndarray:
    """Returns maps (x, y) -> (x + the first, y + the second)."""
    matrix = np.zeros((max(np.size(x), np.size(y)), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = matrix[:, 2, 2] = 1
    matrix[:, 0, 2], matrix[:, 1, 2] = x, y
    return matrix


def about_centre(matrix: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Returns maps that do about the centre of images what affine ones do about the origin.

    Args:
        matrix: (n, 3, 3), or (1, 3, 3) for all of them.
        size: height and width, (n, 2).
    """
    centre = size[:, ::-1] / 2
    about = np.array(np.broadcast_to(matrix, (len(size), 3, 3)))
    about[:, :2, 2] += centre - (matrix[:, :2, :2] @ centre[:, :, None])[:, :, 0]
    return about


def corners(size: np.ndarray) -> np.ndarray:
    """Returns the corners of images, clockwise from the upper left one, (n, 4, 2) as x, y."""
    return _CORNERS * size[:, None, ::-1]


def between_quadrangles(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns the maps that take four points each to four others; both (n, 4, 2)."""
    count = len(source)
    (x, y), (u, v) = np.moveaxis(source, -1, 0), np.moveaxis(target, -1, 0)
    one, zero = np.ones((count, 4)), np.zeros((count, 4))
    rows_u = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    rows_v = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    system, values = np.concatenate([rows_u, rows_v], axis=1), np.concatenate([u, v], axis=1)
    solved = np.linalg.solve(system, values[..., None])[..., 0]
    return np.concatenate([solved, np.ones((count, 1))], axis=1).reshape(count, 3, 3)


def move(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns where one map, (3, 3), takes points, float64 (count, 2)."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, :2] / moved[:, 2:].clip(_HORIZON)
