"""Diversity, closeness and fidelity tell good samples from alike ones, copies and other distributions."""

from __future__ import annotations

import pytest
import torch

from synthmill.learning.likeness import Closeness, Diversity
from synthmill.learning.measures import fidelity, mean_distance, nearest_two


def normal(count: int, seed: int, size: int = 8) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


LABEL = torch.arange(200) % 2


def test_mean_distance_and_nearest_two_of_points_on_a_line():
    x = torch.tensor([[0.0], [1.0], [3.0]])
    assert mean_distance(x) == pytest.approx(2.0)
    assert mean_distance(x[:1]) == 0
    assert nearest_two(torch.tensor([[0.9]]), x)[0].tolist() == pytest.approx([0.1, 0.9])
    assert nearest_two(x, x, leave_out=torch.arange(3)).tolist() == [[1, 3], [1, 2], [2, 3]]


def test_fidelity_is_one_for_the_same_distribution_and_falls_with_distance():
    real = normal(1000, 0)
    same, near, far = (fidelity(normal(1000, 1) + shift, real) for shift in (0.0, 0.3, 3.0))
    assert same[0] == pytest.approx(1, abs=4 * same[1] + 1e-3)
    assert same[0] > near[0] + 3 * near[1] > far[0] + 3 * near[1]
    assert 0 < same[1] < 0.02


def test_diversity_sees_what_is_alike_in_all_and_in_a_class():
    diversity = Diversity(normal(200, 0), LABEL, ("even", "odd"))
    good = normal(200, 1)
    assert diversity.of(good) == pytest.approx(1, abs=0.1)
    assert diversity.least(good, LABEL)[1] == pytest.approx(1, abs=0.1)
    assert diversity.of(good * 0.01) < 0.02
    collapsed = torch.where(LABEL[:, None] == 1, good * 0.001 + 5, good)
    assert diversity.of(collapsed) > 0.5
    assert diversity.least(collapsed, LABEL) == ("odd", pytest.approx(0.001, rel=0.2))
    assert diversity.least(torch.ones(200, 8), LABEL)[1] == 0


def test_diversity_without_classes_is_that_of_all():
    diversity = Diversity(normal(200, 0), None, ())
    assert diversity.least(normal(200, 1) * 0.5, None) == ("", pytest.approx(0.5, rel=0.1))


def test_real_records_that_do_not_vary_say_nothing():
    assert Diversity(torch.ones(20, 3), None, ()).of(torch.zeros(5, 3)) == 1


@pytest.mark.parametrize("held_out", [None, normal(300, 9)], ids=["leave-one-out", "held-out"])
def test_copies_are_told_from_new_records_and_from_smooth_ones(held_out):
    train = normal(400, 0)
    closeness = Closeness(train, held_out, 300)
    ratio, copied = closeness.of(normal(300, 1))
    assert ratio == pytest.approx(1, abs=0.1)
    assert copied < 0.1
    ratio, copied = closeness.of(train[:200] + 0.01 * normal(200, 2))
    assert ratio < 0.1
    assert copied > 0.95
    # Near the middle of the data: close to many records, a copy of none.
    ratio, copied = closeness.of(0.1 * normal(300, 3))
    assert ratio < 0.9
    assert copied < 0.15


def test_too_few_records_say_nothing():
    assert Closeness(normal(2, 0), None, 100).of(normal(5, 1)) == (1.0, 0.0)
