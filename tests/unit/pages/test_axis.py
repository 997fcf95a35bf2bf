"""Axes hold all values, end at round ones, and stand still for shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.pages.axis import edge_axis, whole_axis, zoomed_axis

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_values_lie_on_the_axis_in_their_order(values):
    for axis in (zoomed_axis(values), whole_axis(values)):
        room = 1e-6 * (axis.high - axis.low)
        assert axis.low - room <= min(values)
        assert max(values) <= axis.high + room
        places = [axis.place(value) for value in sorted(values)]
        assert places == sorted(places)
        assert (axis.place(axis.low), axis.place(axis.high)) == (0, 100)
        assert (axis.ticks[0].place, axis.ticks[-1].place) == (0, 100)
        assert 2 <= len(axis.ticks) <= 7


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([0.41, 0.97], (0, 1)),
        ([0.004, 0.0093], (0, 0.01)),
        ([12.8, 3.1], (0, 15)),
        ([-0.0012, 0.009], (-0.005, 0.01)),
        ([0.0], (0, 1)),
        ([1.127, 1.0], (0, 1.5)),
    ],
)
def test_whole_axis(values, ends):
    axis = whole_axis(values)
    assert (axis.low, axis.high) == pytest.approx(ends)


def test_zoomed_axis_shows_small_differences():
    axis = zoomed_axis([0.871, 0.883])
    assert axis.place(0.883) - axis.place(0.871) > 50
    assert [tick.text for tick in axis.ticks] == ["0.870", "0.875", "0.880", "0.885"]


def test_one_value_lies_in_the_middle():
    assert zoomed_axis([0.5]).place(0.5) == 50


def test_axis_of_bins_begins_and_ends_with_them():
    axis = edge_axis([0.13, 2.0, 3.87, 5.74])
    assert (axis.low, axis.high) == (0.13, 5.74)
    assert [tick.text for tick in axis.ticks] == ["2", "4"]
