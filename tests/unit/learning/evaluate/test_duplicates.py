"""Duplicates are found, exact ones and those that a person would call the same."""

from __future__ import annotations

import numpy as np
from unit.learning.evaluate.records import noisy, parts

from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.duplicates import find_duplicates

IMAGE = get_kind("image")


def images(*arrays: np.ndarray) -> dict[str, np.ndarray]:
    return {"image": np.concatenate(arrays)}


def test_each_but_the_first_is_a_duplicate():
    fresh = parts()[2]["image"]
    found = find_duplicates(IMAGE, images(fresh[:3], fresh[1:2], fresh[5:600], fresh[1:2], fresh[:1]))
    assert np.flatnonzero(found).tolist() == [3, len(found) - 2, len(found) - 1]


def test_slightly_different_ones_count():
    fresh = parts()[2]
    near = noisy(fresh, 2.0)["image"]
    assert not (near[:100] == fresh["image"][:100]).all(axis=(1, 2, 3)).any()
    found = find_duplicates(IMAGE, images(fresh["image"][:300], near[:100]))
    assert not found[:300].any()
    assert found[300:].mean() > 0.95


def test_thousands_of_the_same_are_no_trouble():
    assert find_duplicates(IMAGE, images(np.full((3000, 8, 8, 1), 9, np.uint8))).sum() == 2999


def test_kinds_without_fingerprints_have_exact_duplicates():
    class Exact(type(IMAGE)):
        near_duplicate_bits = -1

    fresh = parts()[2]
    found = find_duplicates(Exact(), images(fresh["image"][:50], noisy(fresh, 2.0)["image"][:50], fresh["image"][:1]))
    assert np.flatnonzero(found).tolist() == [100]
