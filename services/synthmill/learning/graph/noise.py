"""Normal noise as a pure function of (seed, index, latent dimension): as ONNX nodes, and the same in NumPy.

The scheme "squares32-spread-boxmuller-v2" has three stages. Squares (arXiv 2004.06278) gives each index three words; a
short mixer spreads them over the pairs of latent dimensions; Box and Muller (1958) make each pair normal. Squares is
the strong part and costs the same for any latent size; per dimension there are only a few 32-bit operations.

Words. Key and words are those of `squares`: (a, b, e) are words 0, 1 and 2 of the index. From here on integers are
uint32 and wrap around. For pair p, with C[p] = (2 p + 1) * `PAIR_STEP`:

    t = (2 a + 1) C[p] + b
    q = t t + e
    r = q 2^16 + floor(float32(q) / 2^16)          a rotation by half of the bits, but for float32's rounding of q
    x = r r + t
    w = x * `TURN_FACTOR` + q

For any one pair, (t, e) -> (t, q) -> (x, q) -> (x, w) are all one-to-one but for that rounding, so x and w are
independent and uniform over the indices. Only the upper 24 bits of either reach the noise; the lowest are weak. Among
the pairs of one index, the rotation alone keeps the relations from being polynomial; that this is enough is what the
statistical tests of this module are for. Two indices share all pairs with probability 2^-95.

Normals. With P = the number of pairs, a multiple of 16:

    radius = sqrt(-2 ln((float32(x) + 1/2) / 2^32)),   turn = float32(w) / 2^32
    z[p] = radius cos(2 pi turn),   z[P + p] = radius sin(2 pi turn)

in float32; |z| is at most 6.77, and dimensions beyond those asked for are dropped. Vectorised logarithms and sines
differ in the last bit between the body and the tail of an array: as P is a multiple of the widest vector, there is no
tail, and a sample is the same bytes in a batch of any size. Several threads cut arrays at other places and may differ
in that bit, as may other libraries.

Every node is one that the CPU and the CUDA provider of ONNX Runtime both have: shifts and xor only one has, which is
why the half rotation goes through float32, and Squares rotates by division. Arrays are [pairs, N]: words of an index
broadcast over the pairs in whole rows that way, and the matrix product that follows takes over the transposition.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from synthmill.learning.graph.builder import GraphBuilder
from synthmill.runtime import squares

SCHEME = "squares32-spread-boxmuller-v2"

# 2^32 divided by the golden ratio, odd.
PAIR_STEP = 0x9E3779B9
TURN_FACTOR = 0x85EBCA6B

# Leaves two words per index to other draws, however Squares is used: the weighted label plan takes the last one.
LATENT_LIMIT = squares.WORDS_PER_INDEX - 2

_ROW_WORDS = 3
_PAIRS_MULTIPLE = 16
_HALF = 1 << 32
_WORD_SCALE = 2.0**-32


def noise_words(seed: int, index: npt.ArrayLike, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the words behind the noise, those of the radii and those of the turns, each uint32 (N, pairs)."""
    rows = squares.draw_words(seed, np.asarray(index)[:, None], np.arange(_ROW_WORDS)).astype(np.uint32)
    a, b, e = np.split(rows, _ROW_WORDS, axis=1)
    t = (a * np.uint32(2) + np.uint32(1)) * _pair_factors(dimensions) + b
    q = t * t + e
    r = q * np.uint32(1 << 16) + (q.astype(np.float32) * np.float32(2.0**-16)).astype(np.uint32)
    x = r * r + t
    return x, x * np.uint32(TURN_FACTOR) + q


def standard_normal(seed: int, index: npt.ArrayLike, dimensions: int) -> np.ndarray:
    """Returns the latent vectors of samples, float32 (N, dimensions); the sampler graph's differ by rounding alone.

    Args:
        seed: in [0, 2^64).
        index: int64 (N,), each in [0, 2^48).
        dimensions: size of the latent vector, 1 to `LATENT_LIMIT`.
    """
    x, w = noise_words(seed, index, dimensions)
    uniform = (x.astype(np.float32) + np.float32(0.5)) * np.float32(_WORD_SCALE)
    radius = np.sqrt(np.log(uniform) * np.float32(-2.0))
    angle = w.astype(np.float32) * np.float32(2 * np.pi * _WORD_SCALE)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :dimensions]


def add_noise(builder: GraphBuilder, seed: str, index: str, scale: str, dimensions: int) -> str:
    """Adds the nodes that draw latent vectors.

    Args:
        builder: receives the nodes.
        seed: name of a uint64 (S,), S being 1 or N: one seed for all, or one for each.
        index: name of an int64 (N,).
        scale: name of a float32 (S,) that the noise is multiplied with.
        dimensions: size of the latent vector, 1 to `LATENT_LIMIT`.

    Returns:
        Name of a float32 (N, dimensions).
    """
    x, w = _add_spread(builder, *_add_row_words(builder, _add_key(builder, seed), index), dimensions)
    shifted = builder.add("Add", builder.cast(x, np.float32), _f32(builder, 0.5))
    log = builder.add("Log", builder.add("Mul", shifted, _f32(builder, _WORD_SCALE)))
    radius = builder.add("Mul", builder.add("Sqrt", builder.add("Mul", log, _f32(builder, -2.0))), scale)
    angle = builder.add("Mul", builder.cast(w, np.float32), _f32(builder, 2 * np.pi * _WORD_SCALE))
    halves = [builder.add("Mul", radius, builder.add(wave, angle)) for wave in ("Cos", "Sin")]
    z = builder.add("Concat", *halves, axis=0)
    if dimensions < 2 * len(_pair_factors(dimensions)):
        bounds = [builder.constant([bound], np.int64) for bound in (0, dimensions, 0)]
        z = builder.add("Slice", z, *bounds)
    return builder.add("Transpose", z, perm=[1, 0])


def _add_key(builder: GraphBuilder, seed: str) -> str:
    one, two = _u64(builder, 1), _u64(builder, 2)
    m = builder.add("Add", seed, _u64(builder, squares.KEY_OFFSET))
    for constant in squares.KEY_ROUNDS:
        product = builder.add("Mul", m, builder.add("Add", builder.add("Mul", m, two), one))
        m = _add_rotate32(builder, builder.add("Add", product, _u64(builder, constant)))
    return builder.add("Add", builder.add("Mul", builder.add("Div", m, two), two), one)


def _add_row_words(builder: GraphBuilder, key: str, index: str) -> list[str]:
    """Adds Squares: `_ROW_WORDS` words of each index, each uint32 (1, N)."""
    # (i * 2^16 + w) * key, with the products taken per index and per word.
    row = builder.add("Mul", builder.cast(index, np.uint64), _u64(builder, squares.WORDS_PER_INDEX))
    word = builder.constant(np.arange(_ROW_WORDS)[:, None], np.uint64)
    y = builder.add("Add", builder.add("Mul", row, key), builder.add("Mul", word, key))
    z = builder.add("Add", y, key)
    x = y
    for addend in (y, z, y):
        x = _add_rotate32(builder, builder.add("Add", builder.add("Mul", x, x), addend))
    x = builder.add("Add", builder.add("Mul", x, x), z)
    words = builder.cast(builder.add("Div", x, _u64(builder, _HALF)), np.uint32)
    sizes = builder.constant([1] * _ROW_WORDS, np.int64)
    return builder.add_many("Split", words, sizes, outputs=_ROW_WORDS, axis=0)


def _add_spread(builder: GraphBuilder, a: str, b: str, e: str, dimensions: int) -> tuple[str, str]:
    """Adds the mixer: words of the radii and of the turns, each uint32 (pairs, N)."""
    odd = builder.add("Add", builder.add("Mul", a, _u32(builder, 2)), _u32(builder, 1))
    factors = builder.constant(_pair_factors(dimensions)[:, None], np.uint32)
    t = builder.add("Add", builder.add("Mul", odd, factors), b)
    q = builder.add("Add", builder.add("Mul", t, t), e)
    high = builder.add("Mul", builder.cast(q, np.float32), _f32(builder, 2.0**-16))
    low = builder.add("Mul", q, _u32(builder, 1 << 16))
    r = builder.add("Add", low, builder.cast(high, np.uint32))
    x = builder.add("Add", builder.add("Mul", r, r), t)
    return x, builder.add("Add", builder.add("Mul", x, _u32(builder, TURN_FACTOR)), q)


def _add_rotate32(builder: GraphBuilder, x: str) -> str:
    half = _u64(builder, _HALF)
    return builder.add("Add", builder.add("Div", x, half), builder.add("Mul", x, half))


def _pair_factors(dimensions: int) -> np.ndarray:
    """Returns the factor of each pair, uint32 (pairs,); there are at least as many pairs as half of the dimensions."""
    if not 1 <= dimensions <= LATENT_LIMIT:
        raise ValueError(f"a latent vector has 1 to {LATENT_LIMIT} dimensions, not {dimensions}")
    pairs = -(-dimensions // (2 * _PAIRS_MULTIPLE)) * _PAIRS_MULTIPLE
    return (np.arange(pairs, dtype=np.uint32) * np.uint32(2) + np.uint32(1)) * np.uint32(PAIR_STEP)


def _u64(builder: GraphBuilder, value: int) -> str:
    return builder.constant(value, np.uint64)


def _u32(builder: GraphBuilder, value: int) -> str:
    return builder.constant(value, np.uint32)


def _f32(builder: GraphBuilder, value: float) -> str:
    return builder.constant(value, np.float32)
