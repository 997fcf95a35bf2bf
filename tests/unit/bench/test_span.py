"""How long work goes on."""

from __future__ import annotations

import time

import pytest

from synthmill.bench.span import Span, repeat


def test_time_ends_a_span_that_has_no_count():
    span = Span(2.0)
    assert not span.is_over(1.9, 1 << 40)
    assert span.is_over(2.0, 0)


def test_count_ends_a_span_whatever_the_time_and_time_at_last():
    span = Span(0.1, count=100)
    assert not span.is_over(50.0, 99)
    assert span.is_over(0.0, 100)
    assert span.is_over(span.limit_s + 1, 0)


def test_work_is_timed_piece_by_piece_after_it_is_warm():
    calls = []

    def work() -> int:
        calls.append(time.perf_counter())
        time.sleep(0.02)
        return 3

    done = repeat(work, 0.1, Span(count=15))
    assert done.count == 15
    assert len(done.latencies_us) == 5
    assert len(calls) > 5
    assert min(done.latencies_us) >= 20_000
    assert done.seconds == pytest.approx(sum(done.latencies_us) / 1e6, abs=0.001)
    assert done.cpu_s < done.seconds
