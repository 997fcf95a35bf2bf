"""Rates of streams, from the times at which messages arrive."""

from __future__ import annotations

import pytest

from synthmill.bench.arrivals import Arrivals, add_up
from synthmill.bench.span import Span


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def arrivals_at(
    times: dict[int, list[float]], *, warm_s: float, seconds: float, samples: int = 10, count: int | None = None
) -> Arrivals:
    """Feeds messages of several streams in the order of their times."""
    clock = Clock()
    arrivals = Arrivals(len(times), warm_s, Span(seconds, count), clock)
    for time, stream in sorted((time, stream) for stream, moments in times.items() for time in moments):
        clock.now = time
        arrivals.add(stream, samples, samples * 100)
    return arrivals


def test_rate_is_that_between_arrivals_not_that_of_the_window():
    """A message of 10 samples every 0.7 s is 14.29 samples a second, wherever a window of 2 s begins and ends."""
    for offset in (0.0, 0.3, 0.6):
        times = [offset + 0.7 * turn for turn in range(8)]
        figures = arrivals_at({0: times}, warm_s=0.5, seconds=2.0).figures("samples")
        assert figures["samples_per_s"] == pytest.approx(10 / 0.7)
        assert figures["bytes_per_s"] == pytest.approx(1000 / 0.7)


def test_what_was_made_ahead_does_not_count():
    burst = [0.0, 0.001, 0.002, 0.003]
    steady = [1.0 * turn for turn in range(1, 8)]
    figures = arrivals_at({0: burst + steady}, warm_s=0.5, seconds=3.0).figures("samples")
    assert figures["samples_per_s"] == pytest.approx(10.0)


def test_streams_add_up_and_counting_begins_when_all_have_begun():
    times = {0: [0.1 * turn for turn in range(80)], 1: [2.0 + 0.2 * turn for turn in range(30)]}
    figures = arrivals_at(times, warm_s=0.5, seconds=2.0).figures("samples")
    assert figures["samples_per_s"] == pytest.approx(100 + 50)


def test_slow_stream_is_waited_for():
    times = {0: [0.1 * turn for turn in range(200)], 1: [3.0 * turn for turn in range(4)]}
    short = arrivals_at({0: times[0], 1: times[1][:3]}, warm_s=0.5, seconds=2.0)
    assert not short.enough
    assert arrivals_at(times, warm_s=0.5, seconds=2.0).enough


def test_too_little_is_an_error_not_a_rate():
    with pytest.raises(ValueError, match="measure for longer"):
        arrivals_at({0: [0.0, 1.0]}, warm_s=0.5, seconds=2.0).figures("samples")


def test_count_is_enough_whatever_the_time():
    times = {0: [0.1 * turn for turn in range(200)]}
    figures = arrivals_at(times, warm_s=0.5, seconds=2.0, count=50).figures("samples")
    assert figures["messages"] == 5
    assert figures["samples_per_s"] == pytest.approx(100)


def test_rates_are_named_after_what_arrives():
    figures = arrivals_at({0: [0.1 * turn for turn in range(80)]}, warm_s=0.5, seconds=2.0).figures("images")
    assert figures["images_per_s"] == pytest.approx(100)
    assert "samples_per_s" not in figures


def test_processes_add_up_in_rates_and_not_in_how_busy_they_are():
    one = {"images_per_s": 100.0, "client_busy": 0.2, "client_cpu_s_per_gib": 3.0}
    other = {"images_per_s": 50.0, "client_busy": 0.4, "client_cpu_s_per_gib": 5.0}
    assert add_up([one, other]) == pytest.approx({"images_per_s": 150, "client_busy": 0.3, "client_cpu_s_per_gib": 4})
