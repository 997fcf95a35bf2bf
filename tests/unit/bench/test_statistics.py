"""Percentiles of one measurement, medians and shares over rounds."""

from __future__ import annotations

import pytest

from synthmill.bench.statistics import Rounds, latency_figures


def test_latencies_become_percentiles_in_milliseconds():
    figures = latency_figures([1000 * value for value in range(101)])
    assert figures == {"p50_ms": 50.0, "p90_ms": 90.0, "p95_ms": 95.0, "p99_ms": 99.0, "max_ms": 100.0}


def test_no_latencies_give_no_figures():
    assert latency_figures([], "refused_") == {}


def test_median_is_over_the_rounds_that_have_the_figure():
    rounds = Rounds([{"a": {"x": 1.0}}, {"a": {}}, {"a": {"x": 5.0}}, {"b": {"x": 100.0}}, {"a": {"x": 3.0}}])
    assert rounds.median("a", "x") == 3.0
    assert rounds.median("a", "y") is None
    assert rounds.median("c", "x") is None


def test_medians_leave_out_what_is_no_number():
    rounds = Rounds([{"a": {"x": 1, "failures": {"UNKNOWN": 2}}}, {"a": {"x": 2, "late": 7.0}}])
    assert rounds.medians("a") == {"x": 1.5, "late": 7.0}


def test_share_is_taken_within_a_round_and_of_the_best():
    """A machine that halves its speed in a round changes no share, although it changes every figure."""
    rounds = Rounds(
        [
            {"service": {"rate": 90.0}, "slow": {"rate": 50.0}, "fast": {"rate": 100.0}},
            {"service": {"rate": 45.0}, "slow": {"rate": 50.0}, "fast": {"rate": 25.0}},
            {"service": {"rate": 900.0}, "slow": {"rate": 1.0}, "fast": {"rate": 1000.0}},
        ]
    )
    assert rounds.share("service", "rate", ["slow", "fast"]) == pytest.approx(0.9)
    assert rounds.excesses("service", "rate", ["slow", "fast"]) == pytest.approx([-10.0, -5.0, -100.0])


def test_share_of_what_was_not_measured_is_unknown():
    rounds = Rounds([{"service": {"rate": 1.0}}])
    assert rounds.share("service", "rate", ["missing"]) is None
    assert rounds.share("service", "rate", []) is None
