"""Which results an augmented dataset gets."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.augmentation.planning import count_missing, plan_copies, plan_missing
from synthmill.runtime.errors import FailedPrecondition


def test_copies_pass_over_all_records_again_and_again():
    plan = plan_copies(3, 2)
    assert plan.sources.tolist() == [0, 1, 2, 0, 1, 2]
    assert plan.indices.tolist() == [0, 1, 2, 3, 4, 5]


def test_records_of_a_class_take_turns():
    labels = np.array([0, 1, 0, 2, 2])
    plan = plan_missing(labels, [3, 4, 0])
    assert np.bincount(labels[plan.sources], minlength=3).tolist() == [3, 4, 0]
    assert plan.sources.tolist() == [0, 1, 2, 0, 1, 1, 1]
    assert plan.indices.tolist() == [0, 1, 2, 5, 6, 11, 16]


def test_result_has_the_same_index_however_many_are_asked_for():
    labels = np.array([0, 1, 0, 1, 1])
    few, many = plan_missing(labels, [1, 3]), plan_missing(labels, [9, 30])
    assert set(few.indices.tolist()) <= set(many.indices.tolist())
    assert set(many.indices.tolist()) <= set(plan_copies(5, 10).indices.tolist())
    for plan in (few, many):
        assert (np.diff(plan.indices) > 0).all()
        assert (plan.indices % 5 == plan.sources).all()


def test_nothing_missing_makes_no_results():
    assert len(plan_missing(np.array([0, 1]), [0, 0])) == 0


def test_classes_are_brought_to_a_size():
    counts, names = [5, 2, 9], ["cat", "dog", "fox"]
    assert count_missing(counts, names, 0, keep_originals=True) == [4, 7, 0]
    assert count_missing(counts, names, 6, keep_originals=True) == [1, 4, 0]
    assert count_missing(counts, names, 6, keep_originals=False) == [6, 6, 6]
    with pytest.raises(FailedPrecondition, match="dog"):
        count_missing([5, 0, 9], names, 6, keep_originals=True)
