"""Mean and standard deviation."""

from __future__ import annotations

import numpy as np
import pytest
from unit.kinds.image.drawing import colour

from synthmill.kinds.image.statistics import statistics


def test_figures_equal_those_of_all_pixels_at_once():
    images = np.stack([colour(9, 7, seed) for seed in range(20)])
    figures = statistics(3, [images[:3], images[3:4], images[4:]])
    assert figures["mean"] == pytest.approx((images / 255).mean(axis=(0, 1, 2)))
    assert figures["std"] == pytest.approx((images / 255).std(axis=(0, 1, 2)))


def test_uniform_images_have_no_deviation():
    assert statistics(1, [np.full((4, 8, 8, 1), 51, np.uint8)]) == {"mean": [pytest.approx(0.2)], "std": [0.0]}
