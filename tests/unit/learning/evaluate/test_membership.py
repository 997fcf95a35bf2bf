"""The attack is calibrated: it finds members, not records that lie where all records do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.comparison import Comparison
from synthmill.learning.evaluate.findings import Figure
from synthmill.learning.evaluate.membership import measure_membership
from synthmill.learning.task import never_stop

COMPARISON = Comparison(get_kind("image"), {"height": 2, "width": 2, "channels": 1}, (), 5, torch.device("cpu"))


def draw(count: int, seed: int) -> dict[str, np.ndarray]:
    """Draws grey images of four pixels, most of them near the middle."""
    levels = np.random.default_rng(seed).normal(128, 30, (count, 2, 2, 1))
    return {"image": np.clip(np.round(levels), 0, 255).astype(np.uint8)}


def attack(samples: dict[str, np.ndarray], strangers: int = 1200) -> dict[str, Figure]:
    figures = measure_membership(COMPARISON, draw(1500, 0), draw(strangers, 1), draw(1200, 2), samples, never_stop)
    return {figure.name: figure for figure in figures}


def test_samples_of_the_same_distribution_give_nobody_away():
    figures = attack(draw(5000, 3))
    chances = {"membership_auc": 0.5, "membership_tpr_1": 0.01, "membership_tpr_01": 0.001}
    assert list(figures) == list(chances)
    for name, chance in chances.items():
        for found in (figures[name].measured, figures[name].real):
            assert found.low - 0.02 <= chance <= found.high + 0.02


def test_who_was_copied_is_found():
    figures = attack({"image": np.concatenate([draw(1500, 0)["image"][::3], draw(1000, 3)["image"]])})
    assert figures["membership_auc"].measured.low > 0.6
    assert figures["membership_tpr_1"].measured.low > 0.2
    assert figures["membership_tpr_1"].real.high < 0.1


def test_samples_that_crowd_the_middle_give_nobody_away():
    middle = np.clip(np.round(np.random.default_rng(4).normal(128, 10, (3000, 2, 2, 1))), 0, 255).astype(np.uint8)
    assert attack({"image": middle})["membership_auc"].measured.value == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(("strangers", "count"), [(50, 1), (999, 2), (1000, 3)])
def test_a_rate_is_measured_where_there_are_strangers_enough(strangers, count):
    assert len(attack(draw(100, 3), strangers)) == count


def test_members_are_as_many_as_strangers_and_of_their_classes():
    labelled = dataclasses.replace(COMPARISON, labels=("dark", "light"))
    # Light training records are copied, dark ones are not; strangers are dark.
    train = draw(1000, 0) | {"label": np.arange(1000) % 2}
    light = {"image": train["image"][1::2]}
    dark = [draw(400, seed) | {"label": np.zeros(400, np.int64)} for seed in (1, 2)]
    figures = measure_membership(labelled, train, *dark, light, never_stop)
    assert figures[0].measured.value == pytest.approx(0.5, abs=0.06)
