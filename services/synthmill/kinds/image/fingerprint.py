"""Finds images that look the same: a hash to propose pairs, a pixel distance to confirm them."""

from __future__ import annotations

import functools

import numpy as np

NEAR_DUPLICATE_BITS = 6

_BITS = 64
_SIDE = 16
_SEED = 0x5917
_RELATIVE_DISTANCE = 0.1
_LEAST_DISTANCE = 2.0
# Below this many grey levels, a projection is rounding error of a blank image, and its sign means nothing.
_BLANK = 0.5


def fingerprint(images: np.ndarray) -> np.ndarray:
    """Hashes images by the signs of 64 random projections of their low spatial frequencies.

    Random hyperplanes turn angles into bits (Charikar, STOC 2002): images at angle a differ in about 64 a / pi bits,
    at any size from 8x8 up and without the ties that comparing pixels of flat areas gives. Brightness (the constant
    frequency) is left out and the others are weighted by frequency, which flattens the 1/f spectrum of pictures;
    otherwise all images of a class would share most bits.

    Args:
        images: uint8 (N, H, W, C).

    Returns:
        uint64 (N,).
    """
    count, height, width, _ = images.shape
    grey = images.mean(axis=3, dtype=np.float32).reshape(count, height * width)
    bits = grey @ _projection(height, width) > _BLANK
    return np.packbits(bits, axis=1, bitorder="little").view("<u8")[:, 0]


def nearly_equal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Tells which pairs differ by less than a tenth of their contrast, or by two grey levels.

    Args:
        first: uint8 (N, H, W, C).
        second: uint8 (N, H, W, C).

    Returns:
        bool (N,): root mean square difference at most 0.1 of the first one's standard deviation, or at most 2.
    """
    a = first.reshape(len(first), -1).astype(np.float32)
    b = second.reshape(len(second), -1).astype(np.float32)
    distance = np.sqrt(((a - b) ** 2).mean(axis=1))
    return distance <= np.maximum(_RELATIVE_DISTANCE * a.std(axis=1), _LEAST_DISTANCE)


@functools.lru_cache(maxsize=8)
def _projection(height: int, width: int) -> np.ndarray:
    """Returns float32 (H * W, 64): average down to 16x16, cosine transform, weight, project; all linear, so one."""
    cosines = _cosine_basis(_SIDE)
    vertical, horizontal = cosines @ _averages(height, _SIDE), cosines @ _averages(width, _SIDE)
    frequency = np.hypot(*np.mgrid[0:_SIDE, 0:_SIDE])
    draws = np.random.Generator(np.random.Philox(_SEED)).standard_normal((_BITS, _SIDE, _SIDE))
    planes = draws * frequency
    planes /= np.linalg.norm(planes, axis=(1, 2), keepdims=True)
    projection = np.einsum("kuv,uh,vw->hwk", planes, vertical, horizontal, optimize=True)
    return projection.reshape(height * width, _BITS).astype(np.float32)


def _averages(size: int, parts: int) -> np.ndarray:
    """Returns (parts, size): the mean over each of equal parts of an axis, split pixels counted by share."""
    edges = np.linspace(0, size, parts + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.maximum(overlap, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def _cosine_basis(size: int) -> np.ndarray:
    """Returns the orthonormal DCT-II matrix (size, size)."""
    frequency, position = np.mgrid[0:size, 0:size]
    basis = np.sqrt(2 / size) * np.cos(np.pi * (position + 0.5) * frequency / size)
    basis[0] /= np.sqrt(2)
    return basis
