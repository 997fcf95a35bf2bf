"""Which records are the same as others among them."""

from __future__ import annotations

import numpy as np

from synthmill.kinds.base import Columns, Kind
from synthmill.learning.data import count_records, load

_BLOCK = 512
# Of the earlier records that are near enough to be looked at, the nearest few are.
_CANDIDATES = 8


def find_duplicates(kind: Kind, columns: Columns) -> np.ndarray:
    """Tells which records equal an earlier one, exactly or as the kind would call them nearly equal; bool (N,).

    Args:
        kind: of the records.
        columns: the kind's columns of a few thousand records.
    """
    found = _equal_earlier(columns)
    if kind.near_duplicate_bits < 0:
        return found
    prints = kind.fingerprint(columns)
    for start in range(0, len(prints), _BLOCK):
        later, earlier = _near_earlier(
            prints, np.arange(start, min(start + _BLOCK, len(prints))), kind.near_duplicate_bits
        )
        if len(later):
            same = kind.nearly_equal(load(columns, earlier), load(columns, later))
            found[later[same]] = True
    return found


def _equal_earlier(columns: Columns) -> np.ndarray:
    seen: set[bytes] = set()
    found = np.zeros(count_records(columns), bool)
    for row in range(len(found)):
        content = b"".join(array[row].tobytes() for array in columns.values())
        found[row] = content in seen
        seen.add(content)
    return found


def _near_earlier(prints: np.ndarray, rows: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs of a row and an earlier one whose fingerprints differ in few bits."""
    distance = np.bitwise_count(prints[rows, None] ^ prints[None, :]).astype(np.int64)
    distance[np.arange(len(prints)) >= rows[:, None]] = np.iinfo(np.int64).max
    nearest = np.argpartition(distance, min(_CANDIDATES, len(prints) - 1), axis=1)[:, :_CANDIDATES]
    near, place = np.nonzero(np.take_along_axis(distance, nearest, axis=1) <= bits)
    return rows[near], nearest[near, place]
