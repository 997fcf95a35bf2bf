"""Precision, recall, density and coverage by hand and by scikit-learn's neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from synthmill.learning.evaluate.support import NEIGHBOURS, compare_support


def normal(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def oracle(real: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    def radius(x: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(x).kneighbors(x)[0][:, -1]

    apart = pairwise_distances(real, samples)
    in_real, in_samples = apart <= radius(real)[:, None], apart <= radius(samples)[None]
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": in_samples.any(axis=1).mean(),
        "density": in_real.sum(axis=0).mean() / NEIGHBOURS,
        "coverage": in_real.any(axis=1).mean(),
    }


def test_by_hand():
    # Of six real points each reaches the farthest other one; two samples reach each other.
    real = torch.arange(6.0)[:, None]
    samples = torch.tensor([[2.0], [9.5]])
    # 2 is in all six; 9.5 is nearer than 5 to the last point alone. From 2, 7.5 reaches all; from 9.5 all but 0 and 1.
    assert compare_support(real, samples) == {
        "precision": 1.0,
        "recall": 1.0,
        "density": pytest.approx((6 + 1) / 2 / NEIGHBOURS),
        "coverage": 1.0,
    }
    far = compare_support(real, torch.tensor([[100.0], [101.0]]))
    assert far == {"precision": 0.0, "recall": 0.0, "density": 0.0, "coverage": 0.0}


@pytest.mark.parametrize("scale", [1.0, 0.3, 3.0], ids=["same", "narrow", "wide"])
def test_as_by_scikit_learn(scale):
    real, samples = normal(700, 0), normal(600, 1) * scale
    assert compare_support(real, samples) == pytest.approx(oracle(real.numpy(), samples.numpy()), abs=2e-3)


def test_narrow_samples_are_precise_and_wide_ones_are_not():
    real = normal(500, 0)
    narrow, wide = compare_support(real, normal(500, 1) * 0.3), compare_support(real, normal(500, 1) * 3)
    assert narrow["precision"] > 0.99
    assert narrow["coverage"] < 0.6
    assert wide["precision"] < 0.2


def test_identical_records_support_their_copies():
    same = torch.ones(20, 3)
    assert compare_support(same, same[:10]) == {"precision": 1.0, "recall": 1.0, "density": 4.0, "coverage": 1.0}
