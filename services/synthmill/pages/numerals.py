"""Numbers as people read them: the digits that matter, a true minus sign, no exponent."""

from __future__ import annotations

import math

from synthmill.learning.evaluate.findings import Interval

MOST_PLACES = 6


def places_for(*values: float) -> int:
    """Returns how many decimals show the largest of the values to three digits or more, at most 6."""
    largest = max(map(abs, values))
    if largest == 0:
        return 0
    if largest >= 0.1:
        return max(0, 3 - max(0, math.floor(math.log10(largest))))
    return min(MOST_PLACES, 2 - math.floor(math.log10(largest)))


def places_apart(one: float, other: float) -> int:
    """Returns how many decimals tell two different values apart, at most 6."""
    places = places_for(one, other)
    while one != other and places < MOST_PLACES and show(one, places) == show(other, places):
        places += 1
    return places


def show(value: float, places: int | None = None) -> str:
    """Writes a number.

    Args:
        value: finite.
        places: decimals; those of `places_for` by default.
    """
    text = f"{value:z,.{places_for(value) if places is None else places}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def show_change(value: float, places: int | None = None) -> str:
    """Writes a difference, with its sign unless it is shown as nothing."""
    text = show(value, places)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def show_interval(interval: Interval, places: int | None = None) -> tuple[str, str]:
    """Writes a value and its confidence interval; the latter is empty if the value was measured once."""
    if places is None:
        places = places_for(interval.value, interval.low, interval.high)
    value = show(interval.value, places)
    if interval.low == interval.high:
        return value, ""
    return value, f"{show(interval.low, places)} to {show(interval.high, places)}"
