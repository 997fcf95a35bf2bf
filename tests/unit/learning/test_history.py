"""The history of a run has a row per stretch of steps, whether the run was interrupted or not."""

from __future__ import annotations

import json

import pytest

from synthmill.learning.history import History


def fill(history: History, steps: range) -> None:
    for step in steps:
        history.add(step, {"loss": float(step)} | ({"rare": 1.0} if step % 3 == 0 else {}))


def test_short_runs_have_a_row_per_step():
    history = History(3)
    fill(history, range(3))
    assert history.to_csv() == "step,loss,rare\n1,0.0,1.0\n2,1.0,\n3,2.0,\n"
    assert history.last == {"loss": 2.0}


def test_long_runs_have_means_and_end_with_the_last_step():
    history = History(2005)
    fill(history, range(2005))
    lines = history.to_csv().splitlines()
    assert lines[1:3] == ["4,1.5,1.0", "8,5.5,1.0"]
    assert lines[-1].startswith("2005,2004.0")
    assert len(lines) == 1 + 502


@pytest.mark.parametrize("stop", [1, 6, 8])
def test_it_survives_a_checkpoint(stop):
    whole, first, second = History(1500), History(1500), History(1500)
    fill(whole, range(20))
    fill(first, range(stop))
    second.restore(json.loads(json.dumps(first.state())))
    fill(second, range(stop, 20))
    assert second.to_csv() == whole.to_csv()


def test_nothing_is_last_at_the_start():
    assert History(10).last == {}
