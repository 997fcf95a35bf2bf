"""Intervals hold the truth about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, t

from synthmill.learning.evaluate.findings import Interval
from synthmill.learning.evaluate.intervals import by_resampling, of_share, over_halves, over_repetitions, within
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import Cancelled


@pytest.mark.parametrize("hits", [0, 3, 50, 100])
def test_share_is_wilsons(hits):
    found = of_share(np.arange(100) < hits)
    expected = binomtest(hits, 100).proportion_ci(method="wilson")
    assert found.value == hits / 100
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_repetitions_are_students():
    low, high = t.interval(0.95, 3, loc=2.5, scale=np.std([1, 2, 3, 4], ddof=1) / 2)
    assert over_repetitions([1, 2, 3, 4]) == Interval(2.5, pytest.approx(low), pytest.approx(high))
    assert over_repetitions([7.0]) == Interval(7.0, 7.0, 7.0)


def test_halves_hold_the_truth():
    def difference(first: torch.Tensor, second: torch.Tensor) -> dict[str, float]:
        return {"mean": (first.mean() - second.mean()).item()}

    held = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        first, second = (torch.from_numpy(rng.normal(mean, 1, (80, 1))) for mean in (1, 0))
        one_class = np.zeros(80, int)
        found = over_halves(difference, (first, one_class), (second, one_class), rng, never_stop)["mean"]
        assert found.value == difference(first, second)["mean"]
        held.append(found.low < 1 < found.high)
    assert 0.9 < np.mean(held) < 0.99


def test_halves_have_half_of_each_class():
    def count(first: torch.Tensor, second: torch.Tensor) -> dict[str, float]:
        assert first.shape == second.shape
        assert abs(first.sum() - second.sum()) == 0
        return {"ones": first.sum().item()}

    label = np.arange(60) % 3 // 2
    side = (torch.from_numpy(label)[:, None].float(), label)
    shuffled = (side[0].flip(0), label[::-1].copy())
    assert over_halves(count, side, shuffled, np.random.default_rng(0), never_stop)["ones"] == Interval(20, 20, 20)


def test_resampling_holds_the_truth():
    def ratio(first: np.ndarray, second: np.ndarray) -> dict[str, float]:
        return {"ratio": float(first.mean() / second.mean())}

    held = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = by_resampling(ratio, (rng.normal(10, 1, 150), rng.normal(5, 1, 150)), rng)["ratio"]
        assert found.low <= found.value <= found.high
        held.append(found.low < 2 < found.high)
    assert 0.88 < np.mean(held) <= 1


def test_intervals_are_cut_to_what_is_possible():
    assert within(Interval(0.9, -0.2, 1.3), 0.0, 1.0) == Interval(0.9, 0.0, 1.0)


def test_halving_can_be_stopped():
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        over_halves(
            lambda first, second: {}, *[(torch.zeros(4, 1), np.zeros(4, int))] * 2, np.random.default_rng(0), stop
        )
