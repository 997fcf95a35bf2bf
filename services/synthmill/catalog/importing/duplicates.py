"""Finds records that occur more than once, exactly or nearly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from synthmill.kinds.base import IssueReason

_BANDS = 4
_BAND_BITS = 16
_WINDOW = 32
_COMPARED_AT_ONCE = 4096


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something about a record and another one.

    Attributes:
        row: the record.
        other: the record it is compared with, which comes first.
        reason: what was found.
        dropped: whether the record is left out.
    """

    row: int
    other: int
    reason: IssueReason
    dropped: bool


def find_equal(digests: np.ndarray, splits: np.ndarray, labels: np.ndarray) -> Iterator[Finding]:
    """Finds equal records.

    Of records equal in content and label, the first of the earliest split is kept. Records equal in content but not in
    label are kept, one for each label, since only a person can tell which one is right.

    Args:
        digests: uint64 (N, 2), equal for equal content.
        splits: int (N,), the earlier the smaller.
        labels: int (N,).
    """
    order = np.lexsort((np.arange(len(digests)), splits, digests[:, 1], digests[:, 0]))
    changes = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lengths = np.diff(starts, append=len(order))
    for start, length in zip(starts[lengths > 1], lengths[lengths > 1], strict=True):
        yield from _judge(order[start : start + length].tolist(), splits, labels)


def _judge(equal: list[int], splits: np.ndarray, labels: np.ndarray) -> Iterator[Finding]:
    kept: dict[int, int] = {}
    for row in equal:
        label = int(labels[row])
        if label in kept:
            same_split = splits[kept[label]] == splits[row]
            reason = IssueReason.EXACT_DUPLICATE if same_split else IssueReason.CROSS_SPLIT_DUPLICATE
            yield Finding(row, kept[label], reason, dropped=True)
            continue
        if kept:
            yield Finding(row, equal[0], IssueReason.CONFLICTING_LABEL, dropped=False)
        kept[label] = row


def find_near(
    fingerprints: np.ndarray,
    splits: np.ndarray,
    bits: int,
    confirm: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Iterator[Finding]:
    """Finds records that are nearly equal to an earlier one, in time that grows like N log N.

    Multi-index hashing (Norouzi et al., CVPR 2012): fingerprints within a few bits agree exactly in one of four bands
    of 16. Sorting by each band in turn brings such pairs together; each record is compared with its next 32 neighbours
    of the same band, so in a very crowded band some pairs can be missed. A record is reported at most twice: with one
    record of its own split and with one of another.

    Args:
        fingerprints: uint64 (N,).
        splits: int (N,).
        bits: pairs that differ in more bits are not looked at; negative finds nothing.
        confirm: compares records pair by pair, given two int arrays of rows, and returns bool (M,).
    """
    matches = {True: np.full(len(fingerprints), -1), False: np.full(len(fingerprints), -1)}
    if bits >= 0:
        for first, second in _neighbours(fingerprints, bits):
            earlier, later = np.minimum(first, second), np.maximum(first, second)
            same_split = splits[earlier] == splits[later]
            for is_same, match in matches.items():
                pending = (same_split == is_same) & (match[later] < 0)
                _record(earlier[pending], later[pending], match, confirm)
    reasons = {True: IssueReason.NEAR_DUPLICATE, False: IssueReason.CROSS_SPLIT_NEAR_DUPLICATE}
    for is_same, match in matches.items():
        for row in np.flatnonzero(match >= 0).tolist():
            yield Finding(row, int(match[row]), reasons[is_same], dropped=False)


def _neighbours(fingerprints: np.ndarray, bits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields rows of pairs whose fingerprints share a band and differ in at most `bits` bits."""
    for band in range(_BANDS):
        turned = _turn(fingerprints, band * _BAND_BITS)
        order = np.argsort(turned, kind="stable")
        hashes, bands = fingerprints[order], turned[order] >> np.uint64(64 - _BAND_BITS)
        for distance in range(1, min(_WINDOW, len(order) - 1) + 1):
            close = bands[distance:] == bands[:-distance]
            close &= np.bitwise_count(hashes[distance:] ^ hashes[:-distance]) <= bits
            yield order[:-distance][close], order[distance:][close]


def _turn(values: np.ndarray, by: int) -> np.ndarray:
    if by == 0:
        return values
    return (values << np.uint64(by)) | (values >> np.uint64(64 - by))


def _record(
    earlier: np.ndarray,
    later: np.ndarray,
    match: np.ndarray,
    confirm: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> None:
    for start in range(0, len(later), _COMPARED_AT_ONCE):
        first, second = earlier[start : start + _COMPARED_AT_ONCE], later[start : start + _COMPARED_AT_ONCE]
        confirmed = confirm(first, second)
        match[second[confirmed]] = first[confirmed]
