"""Handlers of jobs wait for services that are away or overloaded, for so long and no longer."""

from __future__ import annotations

import pytest

from synthmill.runtime.errors import Cancelled, DataLoss, DeadlineExceeded, Overloaded, Unavailable
from synthmill.runtime.jobs.publication import ask_patiently


def failing(*errors: Exception):
    """Returns a call that raises these, one after the other, and then answers."""
    left = list(errors)

    def ask() -> str:
        if left:
            raise left.pop(0)
        return "an answer"

    return ask


def test_a_service_that_comes_back_answers():
    away = (Unavailable("away"), DeadlineExceeded("slow"), Overloaded("busy", retry_after_s=0.1))
    assert ask_patiently(failing(*away), 20.0, lambda: None) == "an answer"


def test_other_errors_are_not_waited_out():
    with pytest.raises(DataLoss):
        ask_patiently(failing(DataLoss("gone")), 20.0, lambda: None)


def test_patience_ends():
    with pytest.raises(Unavailable):
        ask_patiently(failing(*[Unavailable("away")] * 100), 0.3, lambda: None)


def test_a_job_that_is_cancelled_waits_no_longer():
    def check() -> None:
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        ask_patiently(failing(Unavailable("away")), 20.0, check)
