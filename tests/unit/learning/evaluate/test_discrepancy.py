"""Both distances are what they are by hand, and what torchmetrics makes of the same features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from synthmill.learning.evaluate.discrepancy import frechet_distance, kernel_distance


class Flat(nn.Module):
    """Stands in for a network: its features are its inputs."""

    num_features = 6

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


def normal(count: int, seed: int, size: int = 6) -> torch.Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_of_two_normals_on_a_line():
    first = torch.tensor([[0.0], [2.0]])  # mean 1, variance 2
    second = torch.tensor([[4.0], [8.0]])  # mean 6, variance 8
    assert frechet_distance(first, second) == pytest.approx(5**2 + 2 + 8 - 2 * (2 * 8) ** 0.5)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_independent_axes_is_the_sum_over_them():
    corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    stretched = corners * torch.tensor([2.0, 5.0]) + torch.tensor([3.0, 0.0])
    variance = 4 / 3
    assert frechet_distance(corners, stretched) == pytest.approx(9 + variance * ((2 - 1) ** 2 + (5 - 1) ** 2), rel=1e-6)


def test_frechet_distance_is_that_of_torchmetrics():
    fid = pytest.importorskip("torchmetrics.image.fid")
    first, second = normal(300, 0), normal(200, 1) * 1.5 @ normal(6, 2) + 0.3
    oracle = fid.FrechetInceptionDistance(Flat(), normalize=True, input_img_size=(1, 1, 6)).set_dtype(torch.float64)
    oracle.update(first.double(), real=True)
    oracle.update(second.double(), real=False)
    assert frechet_distance(first, second) == pytest.approx(oracle.compute().item(), rel=1e-5)


def test_frechet_distance_of_singular_covariances_is_exact():
    flat = torch.cat([normal(50, 0), torch.zeros(50, 30)], dim=1)
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(flat, flat + 2) == pytest.approx(4 * 36, rel=1e-6)
    # Fewer records than dimensions.
    few = normal(5, 3, 40)
    assert frechet_distance(few, few.flip(0)) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(torch.ones(9, 4), torch.zeros(9, 4)) == pytest.approx(4)


def test_kernel_distance_by_hand():
    first, second = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    within = (0 + 1) ** 3 + (6 + 1) ** 3
    between = (1 + 1 + 3**3 + 4**3) / 4
    assert kernel_distance(first, second) == pytest.approx(within - 2 * between)


def test_kernel_distance_is_that_of_torchmetrics():
    kid = pytest.importorskip("torchmetrics.image.kid")
    first, second = normal(200, 0), normal(200, 1) + 0.5
    with pytest.warns(UserWarning, match="large memory footprint"):
        oracle = kid.KernelInceptionDistance(Flat(), subsets=1, subset_size=200, normalize=True)
    oracle.update(first, real=True)
    oracle.update(second, real=False)
    assert kernel_distance(first, second) == pytest.approx(oracle.compute()[0].item(), rel=1e-4)


def test_kernel_distance_of_the_same_distribution_is_zero_on_average():
    found = torch.tensor([kernel_distance(normal(60, 2 * seed), normal(60, 2 * seed + 1)) for seed in range(200)])
    assert abs(found.mean()) < 4 * found.std() / 200**0.5
    assert (found < 0).any()
    assert kernel_distance(normal(60, 0), normal(60, 1) + 1) > found.max()
