"""Normal noise as a pure function of (seed, index, latent dimension): as ONNX nodes, and the same in NumPy.

The scheme "squares32-boxmuller-v1": words of Squares (arXiv 2004.06278), made normal by Box and Muller (1958).

Integers. Key and words are those of `squares`. In the graph every step of theirs is a Mul, Add or Div on uint64, which
the CPU and the CUDA provider of ONNX Runtime both have (shifts and xor only one has).

Normals. With P = ceil(dimensions / 2), words 2p and 2p + 1 make two of them:

    radius = sqrt(-2 ln((word[2p] + 1/2) / 2^32)),   turn = word[2p + 1] / 2^32
    z[p] = radius cos(2 pi turn),   z[P + p] = radius sin(2 pi turn)

in float64, rounded to float32 at the end. The logarithm's argument is never 0 and |z| is at most 6.77. Float64 is what
makes z a pure function: vectorised float32 logarithms and sines differ in the last bit between the body and the tail
of an array, hence with the place in a batch, and between libraries; a last bit of float64 reaches the rounded float32
about once in 10^7. The cosine is computed as a sine a quarter turn ahead: old CPU providers lack a float64 Cos.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthmill.learning.graph import squares
from synthmill.learning.graph.builder import GraphBuilder

SCHEME = "squares32-boxmuller-v1"

# The last two words of an index are left to other draws: the weighted label plan takes one.
LATENT_LIMIT = squares.WORDS_PER_INDEX - 2

_HALF = 1 << 32


def noise_words(seed: int, index: npt.ArrayLike, dimensions: int) -> np.ndarray:
    """Returns the words behind the noise, uint64 (N, 2 P): those of the radii, then those of the turns."""
    return squares.draw_words(seed, np.asarray(index)[:, None], _word_order(dimensions))


def standard_normal(seed: int, index: npt.ArrayLike, dimensions: int) -> np.ndarray:
    """Returns the latent vectors of samples, float32 (N, dimensions), as the sampler graph draws them.

    Args:
        seed: in [0, 2^64).
        index: int64 (N,), each in [0, 2^48).
        dimensions: size of the latent vector, 1 to `LATENT_LIMIT`.
    """
    radius_word, turn_word = np.split(noise_words(seed, index, dimensions).astype(np.float64), 2, axis=1)
    radius = np.sqrt(np.log((radius_word + 0.5) * (1 / _HALF)) * -2.0)
    angle = turn_word * (2 * np.pi / _HALF)
    z = np.concatenate([radius * np.sin(angle + np.pi / 2), radius * np.sin(angle)], axis=1)
    return z[:, :dimensions].astype(np.float32)


def add_noise(builder: GraphBuilder, seed: str, index: str, dimensions: int) -> str:
    """Adds the nodes that draw latent vectors.

    Args:
        builder: receives the nodes.
        seed: name of a uint64 scalar.
        index: name of an int64 (N,).
        dimensions: size of the latent vector, 1 to `LATENT_LIMIT`.

    Returns:
        Name of a float32 (N, dimensions).
    """
    radius_word, turn_word = _add_words(builder, _add_key(builder, seed), index, dimensions)
    log = builder.add("Log", _scaled(builder, builder.add("Add", radius_word, _f64(builder, 0.5)), 1 / _HALF))
    radius = builder.add("Sqrt", _scaled(builder, log, -2.0))
    angle = _scaled(builder, turn_word, 2 * np.pi / _HALF)
    ahead = builder.add("Add", angle, _f64(builder, np.pi / 2))
    halves = [builder.cast(builder.add("Mul", radius, builder.add("Sin", turn)), np.float32) for turn in (ahead, angle)]
    z = builder.add("Concat", *halves, axis=1)
    if dimensions % 2 == 0:
        return z
    bounds = [builder.constant([bound], np.int64) for bound in (0, dimensions, 1)]
    return builder.add("Slice", z, *bounds)


def _add_key(builder: GraphBuilder, seed: str) -> str:
    one, two = _u64(builder, 1), _u64(builder, 2)
    m = builder.add("Add", seed, _u64(builder, squares.KEY_OFFSET))
    for constant in squares.KEY_ROUNDS:
        product = builder.add("Mul", m, builder.add("Add", builder.add("Mul", m, two), one))
        m = _add_rotate32(builder, builder.add("Add", product, _u64(builder, constant)))
    return builder.add("Add", builder.add("Mul", builder.add("Div", m, two), two), one)


def _add_words(builder: GraphBuilder, key: str, index: str, dimensions: int) -> list[str]:
    # (i * 2^16 + w) * key, with the products taken per row and per word: only their sum is as large as the batch.
    row = builder.add("Mul", builder.cast(index, np.uint64), _u64(builder, squares.WORDS_PER_INDEX))
    column = builder.add("Unsqueeze", builder.add("Mul", row, key), builder.constant([1], np.int64))
    order = builder.constant(_word_order(dimensions), np.uint64)
    y = builder.add("Add", column, builder.add("Mul", order, key))
    z = builder.add("Add", y, key)
    x = y
    for addend in (y, z, y):
        x = _add_rotate32(builder, builder.add("Add", builder.add("Mul", x, x), addend))
    x = builder.add("Add", builder.add("Mul", x, x), z)
    words = builder.cast(builder.add("Div", x, _u64(builder, _HALF)), np.float64)
    pairs = _pairs(dimensions)
    return builder.add_many("Split", words, builder.constant([pairs, pairs], np.int64), outputs=2, axis=1)


def _add_rotate32(builder: GraphBuilder, x: str) -> str:
    half = _u64(builder, _HALF)
    return builder.add("Add", builder.add("Div", x, half), builder.add("Mul", x, half))


def _word_order(dimensions: int) -> np.ndarray:
    if not 1 <= dimensions <= LATENT_LIMIT:
        raise ValueError(f"a latent vector has 1 to {LATENT_LIMIT} dimensions, not {dimensions}")
    radii = np.arange(_pairs(dimensions), dtype=np.uint64) * np.uint64(2)
    return np.concatenate([radii, radii + np.uint64(1)])


def _pairs(dimensions: int) -> int:
    return (dimensions + 1) // 2


def _scaled(builder: GraphBuilder, value: str, factor: float) -> str:
    return builder.add("Mul", value, _f64(builder, factor))


def _u64(builder: GraphBuilder, value: int) -> str:
    return builder.constant(value, np.uint64)


def _f64(builder: GraphBuilder, value: float) -> str:
    return builder.constant(value, np.float64)
