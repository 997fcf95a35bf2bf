"""Equal and nearly equal records."""

from __future__ import annotations

import time

import numpy as np
import pytest

from synthmill.catalog.importing.duplicates import find_equal, find_near

TRAIN, TEST = 0, 2


def equal(contents, splits, labels):
    digests = np.array([[content, 7] for content in contents], np.uint64)
    found = find_equal(digests, np.array(splits, np.int8), np.array(labels))
    return {(f.row, f.other, f.reason.value, f.dropped) for f in found}


def test_distinct_records_give_no_findings():
    assert equal([1, 2, 3], [TRAIN] * 3, [0, 0, 0]) == set()


def test_later_ones_of_equal_records_are_dropped():
    assert equal([1, 2, 1, 1], [TRAIN] * 4, [0] * 4) == {
        (2, 0, "EXACT_DUPLICATE", True),
        (3, 0, "EXACT_DUPLICATE", True),
    }


def test_of_two_splits_the_later_one_loses_the_record_wherever_it_stands_in_the_source():
    assert equal([1, 1], [TEST, TRAIN], [0, 0]) == {(0, 1, "CROSS_SPLIT_DUPLICATE", True)}


def test_equal_records_with_different_labels_are_kept_once_each_and_reported():
    assert equal([1, 1, 1], [TRAIN] * 3, [0, 1, 1]) == {
        (1, 0, "CONFLICTING_LABEL", False),
        (2, 1, "EXACT_DUPLICATE", True),
    }


def test_half_equal_digests_are_not_equal():
    digests = np.array([[1, 2], [1, 3], [2, 2]], np.uint64)
    assert list(find_equal(digests, np.zeros(3, np.int8), np.zeros(3))) == []


def near(fingerprints, splits=None, bits=3, confirm=None):
    fingerprints = np.array(fingerprints, np.uint64)
    splits = np.zeros(len(fingerprints), np.int8) if splits is None else np.array(splits)
    found = find_near(fingerprints, splits, bits, confirm or (lambda first, second: np.ones(len(first), bool)))
    return {(f.row, f.other, f.reason.value, f.dropped) for f in found}


def test_fingerprints_within_the_bits_are_near_and_kept():
    base = 0x0123_4567_89AB_CDEF
    assert near([base, base ^ 0b111, ~base & (2**64 - 1)]) == {(1, 0, "NEAR_DUPLICATE", False)}


@pytest.mark.parametrize("bit", range(0, 64, 5))
def test_a_flipped_bit_is_found_in_any_band(bit):
    base = 0xFEDC_BA98_7654_3210
    assert near([base, base ^ (1 << bit)]) == {(1, 0, "NEAR_DUPLICATE", False)}


def test_more_bits_than_allowed_are_not_near():
    assert near([0, 0b1111]) == set()


def test_only_confirmed_pairs_are_reported():
    assert near([0, 0, 0], confirm=lambda first, second: (first == 0) & (second == 2)) == {
        (2, 0, "NEAR_DUPLICATE", False)
    }


def test_pair_of_two_splits_is_reported_as_such_beside_one_of_the_same_split():
    assert near([0, 0, 0], splits=[TRAIN, TEST, TEST]) == {
        (1, 0, "CROSS_SPLIT_NEAR_DUPLICATE", False),
        (2, 0, "CROSS_SPLIT_NEAR_DUPLICATE", False),
        (2, 1, "NEAR_DUPLICATE", False),
    }


def test_negative_bits_switch_the_search_off():
    assert near([0, 0], bits=-1) == set()


def test_crowded_fingerprints_take_bounded_time_and_at_most_one_finding_each():
    count = 200_000
    compared = 0

    def confirm(first, second):
        nonlocal compared
        compared += len(first)
        return np.zeros(len(first), bool)

    started = time.monotonic()
    assert list(find_near(np.zeros(count, np.uint64), np.zeros(count, np.int8), 3, confirm)) == []
    assert compared <= 4 * 32 * count
    assert time.monotonic() - started < 30

    found = list(find_near(np.zeros(count, np.uint64), np.zeros(count, np.int8), 3, lambda a, b: np.ones(len(a), bool)))
    assert len(found) == count - 1
