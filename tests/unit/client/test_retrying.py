"""How long a broken stream is taken up again."""

from __future__ import annotations

import pytest

from synthmill.client.retrying import RetryPolicy, Tries
from synthmill.runtime.errors import DeadlineExceeded, Overloaded, Unavailable

BROKEN = Unavailable("gone")


def test_pauses_grow_up_to_a_limit():
    tries = Tries(RetryPolicy(max_tries=6, first_pause_s=1, longest_pause_s=5))
    for longest in (1, 2, 4, 5, 5):
        assert longest / 2 <= tries.pause_s(BROKEN) <= longest
    with pytest.raises(Unavailable):
        tries.pause_s(BROKEN)


def test_progress_begins_the_count_again():
    tries = Tries(RetryPolicy(max_tries=2))
    for _ in range(5):
        tries.pause_s(BROKEN)
        tries.progress()
    tries.pause_s(BROKEN)
    with pytest.raises(Unavailable):
        tries.pause_s(BROKEN)


def test_silence_up_to_the_deadline_ends_the_tries_at_once():
    tries = Tries(RetryPolicy())
    tries.progress()
    tries.pause_s(DeadlineExceeded("late"))
    with pytest.raises(DeadlineExceeded):
        tries.pause_s(DeadlineExceeded("late"))


def test_overloaded_service_is_left_alone_for_as_long_as_it_says():
    tries = Tries(RetryPolicy(max_tries=3, first_pause_s=0.1, longest_pause_s=0.1))
    assert 7.0 < tries.pause_s(Overloaded("full", retry_after_s=7)) < 7.2
    assert tries.pause_s(BROKEN) <= 0.1
    with pytest.raises(Overloaded):
        tries.pause_s(Overloaded("full", retry_after_s=7))
