"""Areas and rates are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from synthmill.learning.evaluate.ranking import area_under_curve, true_positive_rate


@pytest.mark.parametrize("step", [1e-9, 0.5], ids=["distinct", "ties"])
def test_as_by_scikit_learn(step):
    rng = np.random.default_rng(0)
    positive, negative = (np.round(rng.normal(mean, 1, 2900) / step) * step for mean in (0.5, 0))
    truth, score = np.repeat([1, 0], 2900), np.concatenate([positive, negative])
    assert area_under_curve(positive, negative) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    false, true, _ = roc_curve(truth, score, drop_intermediate=False)
    for rate in (0.0, 0.001, 0.01, 0.1):
        assert true_positive_rate(positive, negative, rate) == true[false <= rate + 1e-12].max()


def test_by_hand():
    assert area_under_curve(np.array([3.0, 1.0]), np.array([2.0, 1.0])) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    negative = np.arange(100.0)
    assert true_positive_rate(np.array([98.0, 98.5, 200.0]), negative, 0.01) == pytest.approx(2 / 3)
    assert true_positive_rate(np.array([99.0, 200.0]), negative, 0.001) == 0.5
