"""Accuracy, macro-F1 and recall from one matrix: by hand, and as scikit-learn has them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from synthmill.learning.evaluate.confusion import accuracy, confuse, macro_f1, recalls


def test_by_hand():
    matrix = confuse(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2]), 3)
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert accuracy(matrix) == pytest.approx(4 / 6)
    assert recalls(matrix) == pytest.approx({0: 2 / 3, 1: 1 / 2, 2: 1})
    # Precision and recall: 1 and 2/3, 1/2 and 1/2, 1/2 and 1.
    assert macro_f1(matrix) == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn_has_them(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, 200)
    found = np.where(rng.random(200) < 0.6, truth, rng.integers(0, 6, 200))
    matrix = confuse(truth, found, 6)
    assert (matrix == metrics.confusion_matrix(truth, found)).all()
    assert accuracy(matrix) == pytest.approx(metrics.accuracy_score(truth, found))
    assert macro_f1(matrix) == pytest.approx(metrics.f1_score(truth, found, average="macro"))
    assert list(recalls(matrix).values()) == pytest.approx(metrics.recall_score(truth, found, average=None))


def test_a_class_that_is_not_tested_does_not_count_though_records_are_taken_for_it():
    truth, found = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0])
    matrix = confuse(truth, found, 4)
    assert list(recalls(matrix)) == [0, 1]
    assert macro_f1(matrix) == pytest.approx(metrics.f1_score(truth, found, labels=[0, 1], average="macro"))


def test_a_class_that_nothing_is_taken_for_counts_as_zero():
    assert macro_f1(confuse(np.array([0, 0, 1]), np.array([0, 0, 0]), 2)) == pytest.approx(0.4)
