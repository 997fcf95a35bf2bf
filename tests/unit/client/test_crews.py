"""Threads that share work: bounded, and stopped at once."""

from __future__ import annotations

import threading
import time

import pytest

from synthmill.client import crews
from synthmill.client.crews import Crew


class BlockedCall:
    """A call whose reader waits until it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()

    def read(self) -> None:
        with crews.watched(self):
            assert self.cancelled.wait(20)


def test_every_item_is_worked_on_once_and_never_more_at_once_than_allowed():
    lock, active, most, done = threading.Lock(), 0, 0, []

    def work(item: int) -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.002)
        with lock:
            active -= 1
            done.append(item)

    Crew().run(work, range(30), 3)
    assert sorted(done) == list(range(30))
    assert most == 3


def test_first_error_is_raised_and_stops_the_others():
    call, begun = BlockedCall(), []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            call.read()
        else:
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 1"):
        Crew().run(work, range(100), 2)
    assert call.cancelled.is_set()
    assert sorted(begun) == [0, 1]


def test_pause_ends_when_the_crew_is_stopped():
    def work(item: int) -> None:
        if item == 0:
            crews.pause(60)
        raise ValueError("stop")

    began = time.monotonic()
    with pytest.raises(ValueError, match="stop"):
        Crew().run(work, range(2), 2)
    assert time.monotonic() - began < 10


def test_call_that_begins_after_the_stop_is_cancelled():
    call, stopped = BlockedCall(), threading.Event()

    def work(item: int) -> None:
        if item == 1:
            raise ValueError("stop")
        with pytest.raises(crews.Stopped):
            crews.pause(20)
        call.read()
        stopped.set()

    with pytest.raises(ValueError, match="stop"):
        Crew().run(work, range(2), 2)
    assert stopped.is_set()


def test_nothing_is_watched_outside_a_crew():
    began = time.monotonic()
    with crews.watched(BlockedCall()):
        crews.pause(0.05)
    assert time.monotonic() - began >= 0.05
