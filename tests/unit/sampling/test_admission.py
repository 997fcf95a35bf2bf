"""What is taken and what is shed: by time, by memory, at once, and with a hint when to come back."""

from __future__ import annotations

import contextlib

import pytest
from prometheus_client import REGISTRY

from synthmill.runtime.errors import Overloaded
from synthmill.sampling.admission import Admission, Cost

SMALL = Cost(seconds=0.1, rows=10, size_bytes=100)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"synthmill_sampling_{name}", labels) or 0.0


def admit_many(admission: Admission, cost: Cost, limit: int = 1000) -> tuple[int, Overloaded]:
    """Admits requests until one is shed; returns how many were taken, and the error."""
    with contextlib.ExitStack() as stack:
        for taken in range(limit):
            try:
                stack.enter_context(admission.admit(cost))
            except Overloaded as error:
                return taken, error
    raise AssertionError(f"{limit} requests were taken")


@pytest.mark.parametrize("workers", [1, 4])
def test_requests_are_taken_while_the_wait_is_short(workers):
    taken, error = admit_many(Admission(1.05, 10**9, workers), SMALL)
    # The last one taken waits for 1.0 s or less, and brings the wait to 1.1 s.
    assert taken == pytest.approx(11 * workers, abs=workers)
    assert 0.0 < error.retry_after_s < 0.2
    assert "wait" in error.message


def test_small_requests_add_up_as_large_ones_do():
    many, _ = admit_many(Admission(2.0, 10**9, 1), Cost(0.01, 1, 1))
    few, _ = admit_many(Admission(2.0, 10**9, 1), Cost(1.0, 100, 100))
    assert many == pytest.approx(201, abs=2)
    assert few == 3


def test_requests_are_taken_while_their_answers_fit_into_memory():
    taken, error = admit_many(Admission(1000.0, 1000, 1), Cost(0.001, 1, 300))
    assert taken == 3
    assert error.retry_after_s > 0
    assert "900 bytes" in error.message


@pytest.mark.parametrize("cost", [Cost(1e6, 10**9, 1), Cost(0.0, 1, 10**12), Cost(1e6, 1, 10**12)])
def test_any_request_is_taken_when_nothing_else_is_under_way(cost):
    admission = Admission(0.5, 1000, 1)
    for _ in range(3):
        with admission.admit(cost), pytest.raises(Overloaded), admission.admit(SMALL):
            pass


def test_what_was_shed_leaves_no_trace():
    admission = Admission(1000.0, 1000, 1)
    with admission.admit(Cost(0.0, 5, 600)):
        before = metric("queued_rows"), metric("queued_bytes")
        for _ in range(5):
            with pytest.raises(Overloaded), admission.admit(Cost(0.0, 5, 600)):
                pass
        with admission.admit(Cost(0.0, 5, 400)):
            pass
        assert (metric("queued_rows"), metric("queued_bytes")) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_room_is_given_back_however_a_request_ends(error):
    admission = Admission(0.5, 1000, 1)
    before = metric("queued_rows"), metric("queued_bytes")
    for _ in range(3):
        with pytest.raises(error), admission.admit(Cost(100.0, 7, 900)):
            assert metric("queued_rows") == before[0] + 7
            assert metric("queued_bytes") == before[1] + 900
            raise error
    assert (metric("queued_rows"), metric("queued_bytes")) == before


def test_many_fractions_leave_nothing_behind():
    admission = Admission(1e-9, 1000, 3)
    for _ in range(100):
        with contextlib.ExitStack() as stack, pytest.raises(Overloaded):
            for part in range(3, 1000):
                stack.enter_context(admission.admit(Cost(1 / part, 1, 1)))
    with admission.admit(SMALL):
        pass


@pytest.mark.parametrize(
    ("reason", "cost"), [("time", Cost(5.0, 1, 1)), ("memory", Cost(0.0, 1, 10_000))], ids=["time", "memory"]
)
def test_what_is_shed_is_counted_by_what_was_short(reason, cost):
    admission = Admission(1.0, 1000, 1)
    before = metric("shed_total", reason=reason)
    with admission.admit(cost):
        for _ in range(3):
            with pytest.raises(Overloaded), admission.admit(SMALL):
                pass
    assert metric("shed_total", reason=reason) == before + 3


def test_hint_grows_with_the_backlog_and_is_never_too_soon():
    admission = Admission(1.0, 1000, 2)
    hints = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(admission.admit(Cost(30.0, 1, 1)))
        with pytest.raises(Overloaded) as late:
            stack.enter_context(admission.admit(SMALL))
        hints.append(late.value.retry_after_s)
    # 30 s on two workers are 15 s, of which one may be waited for.
    assert hints == [pytest.approx(14.0, abs=0.01)]
    with admission.admit(Cost(0.0, 1, 1000)), pytest.raises(Overloaded) as soon, admission.admit(SMALL):
        pass
    assert soon.value.retry_after_s >= 0.05
