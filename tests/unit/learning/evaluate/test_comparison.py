"""What is compared is as frequent by class on every side, as many on each, and the same at every call."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from unit.learning.evaluate.records import COMPARISON, UNLABELLED, parts

from synthmill.learning.evaluate.comparison import deal, draw_like, draw_sides, halve
from synthmill.runtime.errors import FailedPrecondition


def counts(columns: dict[str, np.ndarray]) -> list[int]:
    return np.bincount(columns["label"], minlength=10).tolist()


def contents(columns: dict[str, np.ndarray]) -> set[bytes]:
    return {image.tobytes() for image in columns["image"]}


def test_halves_are_disjoint_and_in_proportion():
    label = np.repeat([0, 1, 3], [60, 30, 10])
    first, second = halve(label, 20, np.random.default_rng(0))
    assert not set(first) & set(second)
    for half in (first, second):
        assert np.bincount(label[half]).tolist() == [12, 6, 0, 2]
    first, second = halve(label, 1000, np.random.default_rng(0))
    assert np.bincount(label[first]).tolist() == np.bincount(label[second]).tolist() == [30, 15, 0, 5]


def test_rows_are_drawn_to_the_classes_wanted():
    label = np.arange(300) % 3
    rows = draw_like(label, np.repeat([2, 0], [30, 10]), np.random.default_rng(0))
    assert np.bincount(label[rows]).tolist() == [10, 0, 30]
    assert len(set(rows)) == 40


def test_a_class_that_is_lacking_is_made_up_for_by_others():
    label = np.repeat([0, 1], [100, 5])
    rows = draw_like(label, np.repeat([0, 1], [20, 20]), np.random.default_rng(0))
    assert np.bincount(label[rows]).tolist() == [35, 5]
    assert len(draw_like(label[:10], np.zeros(50, int), np.random.default_rng(0))) == 10


def test_rows_are_dealt_out_to_hands_with_the_same_labels():
    label = np.repeat([0, 1, 4], [7, 12, 3])
    hands = [deal(labels, 3, np.random.default_rng(seed)) for seed, labels in enumerate((label, label[::-1]))]
    for first, second in zip(*hands, strict=True):
        assert sorted(label[first]) == sorted(label[::-1][second])
    assert sorted(np.concatenate(hands[0])) == list(range(22))
    assert (np.concatenate(hands[0]) != np.concatenate(hands[1])).any()


def test_balanced_samples_are_compared_in_the_proportions_of_records():
    _, held_out, fresh = parts()
    rare = np.flatnonzero((held_out["label"] < 5) | (np.arange(len(held_out["label"])) % 4 == 0))
    tailed = {name: array[rare] for name, array in held_out.items()}
    sides = draw_sides(COMPARISON, tailed, fresh)
    assert counts(sides.real) == counts(sides.other) == counts(sides.samples)
    assert sum(counts(sides.real)[5:]) < 0.3 * len(sides.real["label"])
    assert not contents(sides.real) & contents(sides.other)
    again = draw_sides(COMPARISON, tailed, fresh)
    assert (sides.samples["image"] == again.samples["image"]).all()
    other = draw_sides(dataclasses.replace(COMPARISON, seed=6), tailed, fresh)
    assert (sides.samples["image"] != other.samples["image"]).any()


def test_sides_are_no_larger_than_asked_for_or_than_there_are_samples():
    _, held_out, fresh = parts()
    few = {name: array[:40] for name, array in fresh.items()}
    for comparison in (COMPARISON, UNLABELLED):
        assert len(draw_sides(comparison, held_out, fresh).samples["image"]) == 200
        assert len(draw_sides(comparison, held_out, few).real["image"]) == 40
    assert "label" not in draw_sides(UNLABELLED, held_out, fresh).real


def test_too_few_records_are_refused_with_what_it_takes():
    _, held_out, fresh = parts()
    few = {name: array[:12] for name, array in held_out.items()}
    with pytest.raises(FailedPrecondition, match="12 held-out records") as caught:
        draw_sides(UNLABELLED, few, fresh)
    assert caught.value.metadata["allowed"] == "at least 20 held-out records and 10 samples"
