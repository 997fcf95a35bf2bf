"""Neighbours over blocks are those of scikit-learn, and copies are at no distance."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from synthmill.learning.evaluate.neighbours import find_nearest, squared_distances, squared_radius


def normal(count: int, seed: int, size: int = 12) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("blocks", [1, 7])
def test_nearest_are_those_of_scikit_learn(blocks):
    x, others = normal(700, 0), normal(900, 1)
    found = find_nearest(x, others.chunk(blocks), 3)
    distance, row = NearestNeighbors(n_neighbors=3).fit(others.numpy()).kneighbors(x.numpy())
    assert found.distance.numpy() == pytest.approx(distance, rel=1e-4)
    assert (found.row.numpy() == row).all()


def test_what_is_left_out_is_left_out_in_whichever_block_it_is():
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    found = find_nearest(x, x.split(2), 1, leave_out=torch.arange(4))
    assert found.row[:, 0].tolist() == [1, 0, 1, 2]
    assert found.distance[:, 0].tolist() == [1, 1, 2, 4]


def test_copies_are_at_no_distance_wherever_the_records_lie():
    others = normal(300, 0) + 1000
    found = find_nearest(others[:50].clone(), others.split(64), 2)
    assert found.row[:, 0].tolist() == list(range(50))
    assert (found.distance[:, 0] == 0).all()
    assert (found.distance[:, 1] > 0).all()
    assert (squared_distances(others, others).diagonal() == 0).all()


def test_neighbours_that_do_not_exist_are_infinitely_far():
    found = find_nearest(torch.zeros(1, 2), [torch.ones(1, 2)], 3)
    assert found.distance[0].tolist() == pytest.approx([2**0.5, float("inf"), float("inf")])


def test_radius_reaches_the_nearest_others():
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert squared_radius(x, 1).tolist() == [1, 1, 4, 16]
    assert squared_radius(x, 2).tolist() == [9, 4, 9, 36]
    assert squared_radius(x, 9).tolist() == [49, 36, 16, 49]
