"""The history of a run has a row per stretch of steps, whether the run was interrupted or not."""

from __future__ import annotations

import json

import pytest

from synthmill.learning.history import History


def fill(history: History, steps: range) -> None:
    for step in steps:
        history.add(step, {"loss": float(step)} | ({"rare": 1.0} if step % 3 == 0 else {}))


def test_short_runs_have_a_row_per_step():
    history = History()
    fill(history, range(3))
    assert history.to_csv() == "step,loss,rare\n1,0.0,1.0\n2,1.0,\n3,2.0,\n"
    assert history.last == {"loss": 2.0}


def test_figures_of_one_step_that_come_apart_share_a_row():
    history = History()
    history.add(0, {"loss": 4.0})
    history.add(0, {"tstr": 0.5})
    assert history.rows() == [{"step": 1, "loss": 4.0, "tstr": 0.5}]


@pytest.mark.parametrize("steps", [1000, 1001, 2005, 5000])
def test_long_runs_have_means_over_equal_stretches_and_end_with_the_last_step(steps):
    history = History()
    fill(history, range(steps))
    rows = history.rows()
    assert 500 <= len(rows) <= 1000
    assert rows[-1]["step"] == steps
    stretch = rows[0]["step"]
    assert [row["step"] for row in rows[:-1]] == [stretch * (number + 1) for number in range(len(rows) - 1)]
    assert rows[1]["loss"] == stretch + (stretch - 1) / 2


@pytest.mark.parametrize("stop", [1, 6, 1000, 1001, 1499])
def test_it_survives_a_checkpoint(stop):
    whole, first, second = History(), History(), History()
    fill(whole, range(1500))
    fill(first, range(stop))
    second.restore(json.loads(json.dumps(first.state())))
    fill(second, range(stop, 1500))
    assert second.to_csv() == whole.to_csv()


def test_nothing_is_last_at_the_start():
    assert History().last == {}
