"""What was done is done once, whatever ended the process."""

from __future__ import annotations

import pytest

from synthmill.pipeline.clock import Clock
from synthmill.pipeline.journal import Journal


def never() -> None:
    raise AssertionError("this was done before")


def test_outcome_is_made_once_and_found_again(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.once("a", lambda: {"score": 0.1 + 0.2, "values": (1, 2)}) == {"score": 0.1 + 0.2, "values": [1, 2]}
    assert journal.once("a", never) == {"score": 0.1 + 0.2, "values": [1, 2]}
    again = Journal(tmp_path / "journal.jsonl")
    assert not again.is_fresh
    assert again.once("a", never) == journal["a"]
    assert "a" in again
    again.once("b", lambda: None)
    assert again.is_fresh
    assert Journal(tmp_path / "journal.jsonl")["b"] is None


def test_steps_within_a_step_are_kept_before_it(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")

    def outer() -> str:
        journal.once("inner", lambda: "done")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        journal.once("outer", outer)
    again = Journal(tmp_path / "journal.jsonl")
    assert again["inner"] == "done"
    assert "outer" not in again


def test_line_that_was_cut_short_is_made_anew(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.once("a", lambda: 1)
    journal.once("b", lambda: "long" * 100)
    path.write_bytes(path.read_bytes()[:-9])
    again = Journal(path)
    assert "b" not in again
    assert again.once("b", lambda: 2) == 2
    assert [Journal(path)[key] for key in "ab"] == [1, 2]


def test_clock_goes_on_where_it_was(tmp_path):
    path = tmp_path / "clock.json"
    path.write_text('{"spent_s": 100.0}')
    clock = Clock(path)
    assert 100.0 <= clock.spent_s < 101.0
    clock.keep()
    assert path.read_text() == '{"spent_s": 100.0}', "a moment is not worth a write"
