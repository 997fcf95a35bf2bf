"""A classifier tells samples from real records if there is a difference, and only then."""

from __future__ import annotations

import numpy as np
import pytest
from unit.learning.evaluate.records import COMPARISON, parts

from synthmill.kinds.base import Columns
from synthmill.learning.evaluate.comparison import draw_sides
from synthmill.learning.evaluate.two_sample import two_sample_auc
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import Cancelled


def auc(samples: Columns) -> tuple[float, float, float]:
    sides = draw_sides(COMPARISON, parts()[1], samples)
    found = two_sample_auc(COMPARISON, sides.real, sides.samples, never_stop)
    return found.low, found.value, found.high


def test_real_records_are_not_told_from_real_ones():
    low, value, high = auc(parts()[2])
    assert low < 0.5 < high
    assert value == pytest.approx(0.5, abs=0.1)


def test_blurred_records_are():
    fresh = parts()[2]
    images = fresh["image"].astype(np.uint16)
    blurred = ((images + np.roll(images, 1, axis=1)) // 2).astype(np.uint8)
    low, value, _ = auc({**fresh, "image": blurred})
    assert low > 0.6
    assert value > 0.7


def test_it_can_be_stopped():
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        two_sample_auc(COMPARISON, parts()[1], parts()[2], stop)
