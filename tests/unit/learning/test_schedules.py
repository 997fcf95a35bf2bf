"""The learning rate rises, stays and falls with the share of the run that is done."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.learning.schedules import rate_factor


def test_rate_rises_at_once_stays_and_falls_to_nothing():
    progress = np.linspace(0, 1, 1001)[:-1]
    factors = np.array([rate_factor(share, 0.5) for share in progress])
    assert 0 < factors[0] < 0.2
    assert (factors[20:500] == 1).all()
    assert (np.diff(factors[500:]) < 0).all()
    assert factors[-1] == pytest.approx(0.002)


def test_rate_need_not_fall():
    assert rate_factor(0.999, 1.0) == 1
