"""Numbers have the digits that matter."""

from __future__ import annotations

import pytest

from synthmill.learning.evaluate.findings import Interval
from synthmill.pages.numerals import places_apart, show, show_change, show_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.000"),
        (0.91234, "0.912"),
        (0.0123456, "0.0123"),
        (0.00012345, "0.000123"),
        (1e-9, "0.000000"),
        (-1e-9, "0.000000"),
        (-0.0452, "\N{MINUS SIGN}0.0452"),
        (12.3456, "12.35"),
        (123.456, "123.5"),
        (12345.6, "12,346"),
    ],
)
def test_number(value, text):
    assert show(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.021, "+0.02"), (-0.021, "\N{MINUS SIGN}0.02"), (0.001, "0.00"), (-0.001, "0.00")]
)
def test_change_has_a_sign_unless_it_is_nothing(value, text):
    assert show_change(value, 2) == text


def test_interval_has_the_digits_of_its_largest():
    assert show_interval(Interval(0.0034, -0.0012, 0.0412)) == ("0.0034", "\N{MINUS SIGN}0.0012 to 0.0412")
    assert show_interval(Interval(0.5, 0.5, 0.5)) == ("0.500", "")


@pytest.mark.parametrize(
    ("one", "other", "places"), [(0.7, 0.7, 3), (0.7, 0.6, 3), (0.70004, 0.7, 5), (0.7 + 1e-12, 0.7, 6)]
)
def test_values_are_told_apart(one, other, places):
    assert places_apart(one, other) == places
