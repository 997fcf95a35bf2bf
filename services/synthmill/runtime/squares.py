"""The Squares generator: random words as a pure function of a counter and a key derived from a seed.

All integers are uint64 and wrap around; `/` drops the remainder. Squares wants an odd key with an irregular bit
pattern, whatever the seed, so the seed is mixed:

    m = seed + 0x9E3779B97F4A7C15
    m = rotate32(m * (2 m + 1) + c)      for each c of `KEY_ROUNDS`
    key = m / 2 * 2 + 1

m (2 m + 1) is the permutation of RC6 (Rivest et al. 1998) and rotate32 swaps the halves, so each round is a bijection.
Two rounds leave some bits untouched by a flipped seed bit; after three each bit of the key flips with probability 1/2,
and the fourth is margin. Only the forced last bit is lost: two seeds share a key with probability 2^-63.

Word w of sample i is squares32(i * 2^16 + w, key). Hence the bounds: index < 2^48, word < 2^16.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

INDEX_LIMIT = 1 << 48
WORDS_PER_INDEX = 1 << 16
KEY_OFFSET = 0x9E3779B97F4A7C15
KEY_ROUNDS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)


def squares32(counter: npt.ArrayLike, key: npt.ArrayLike) -> np.ndarray:
    """Returns the Squares word of each counter, uint64 below 2^32 (Widynski, arXiv 2004.06278, section 4).

    Args:
        counter: uint64, any shape.
        key: odd uint64 that broadcasts against it.
    """
    # At least one axis: NumPy warns of wrap-around in scalars, never in arrays.
    counter = np.atleast_1d(np.asarray(counter, np.uint64))
    key = np.atleast_1d(np.asarray(key, np.uint64))
    y = counter * key
    z = y + key
    x = y
    for addend in (y, z, y):
        x = _rotate32(x * x + addend)
    return (x * x + z) >> np.uint64(32)


@functools.lru_cache(maxsize=1024)
def derive_key(seed: int) -> int:
    """Returns the odd Squares key of a seed in [0, 2^64)."""
    m = np.asarray([seed], np.uint64) + np.uint64(KEY_OFFSET)
    for constant in KEY_ROUNDS:
        m = _rotate32(m * (m * np.uint64(2) + np.uint64(1)) + np.uint64(constant))
    return int(m[0]) | 1


def draw_words(seed: int, index: npt.ArrayLike, word: npt.ArrayLike) -> np.ndarray:
    """Returns random words, uint64 below 2^32.

    Args:
        seed: in [0, 2^64).
        index: int64, each in [0, 2^48).
        word: uint64, each below 2^16; it broadcasts against the index.
    """
    counter = np.asarray(index, np.int64).astype(np.uint64) * np.uint64(WORDS_PER_INDEX)
    return squares32(counter + np.asarray(word, np.uint64), derive_key(seed))


def _rotate32(x: np.ndarray) -> np.ndarray:
    return (x >> np.uint64(32)) | (x << np.uint64(32))
