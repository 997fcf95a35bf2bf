"""Values lie where they should, and lines join what follows one another."""

from __future__ import annotations

import pytest

from synthmill.learning.evaluate.findings import Interval
from synthmill.pages.curves import HEIGHT, draw_curve


def point(value: float) -> Interval:
    return Interval(value, value, value)


def test_dots_lie_over_their_marks_and_higher_values_higher():
    series = {"lift": [Interval(0.1, 0.05, 0.15), point(0.3)], "other": [None, point(0.2)]}
    curve = draw_curve("Lift", ["one", "two"], series, joined=["lift"])
    lift, other = curve.series
    assert [dot.place for dot in lift.dots] == [mark.place for mark in curve.marks] == [6.0, 94.0]
    first, second = lift.dots
    assert HEIGHT >= first.height > second.height >= 0
    assert first.low > first.height > first.high
    assert (second.low, second.high) == (None, None)
    assert [dot.title for dot in other.dots] == ["two: other 0.200"]
    assert (lift.is_joined, other.is_joined) == (True, False)
    assert curve.description == "lift: one 0.100, two 0.300. other: two 0.200."


def test_levels_go_from_bottom_to_top():
    curve = draw_curve("Score", ["1"], {"score": [point(0.84)]})
    heights = [level.place for level in curve.levels]
    assert heights == sorted(heights, reverse=True)
    assert (heights[0], heights[-1]) == (HEIGHT, 0)
    assert curve.zero is None
    assert curve.marks[0].place == 50.0


@pytest.mark.parametrize("values", [(0.01, 0.03), (-0.02, 0.02), (-0.03, -0.01)], ids=["above", "around", "below"])
def test_zero_is_seen_where_it_is_asked_for(values):
    curve = draw_curve("Lift", ["1", "2"], {"lift": [point(value) for value in values]}, with_zero=True)
    assert 0 <= curve.zero <= HEIGHT
    for value, dot in zip(values, curve.series[0].dots, strict=True):
        assert (dot.height < curve.zero) == (value > 0)


def test_many_marks_are_thinned_out_but_no_value_is():
    numbers = range(95)
    curve = draw_curve("Score", list(map(str, numbers)), {"score": list(map(point, numbers))})
    assert len(curve.marks) <= 20
    assert len(curve.series[0].dots) == 95


def test_nothing_is_drawn_of_nothing():
    assert draw_curve("Score", [], {"score": []}) is None
    assert draw_curve("Score", ["1"], {"score": [None]}) is None
