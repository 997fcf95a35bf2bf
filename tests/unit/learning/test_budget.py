"""A run by steps has a fixed schedule; a run by time finds one that fits, and keeps to what it has decided."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from synthmill.learning.budget import UNBOUNDED_STEPS, Plan


def run_by_time(plan: Plan, step_s, start: tuple[int, float] = (0, 0.0), until_s: float = 1e9):
    """Goes through a run whose steps take what `step_s` says; returns its end and the progress of every step."""
    step, elapsed_s = start
    progress = []
    while not plan.why_over(step, elapsed_s) and elapsed_s < until_s:
        if step > start[0] and plan.is_due(elapsed_s):
            plan.decide(step, elapsed_s, step_s(elapsed_s))
        progress.append(plan.progress(step))
        step, elapsed_s = step + 1, elapsed_s + step_s(elapsed_s)
    return step, elapsed_s, progress


def test_progress_by_steps_is_the_share_of_them():
    plan = Plan(8)
    assert [plan.progress(step) for step in range(8)] == [step / 8 for step in range(8)]
    assert plan.progress(8) < 1
    assert (plan.total, plan.is_by_time, plan.is_due(1e9)) == (8, False, False)
    assert [plan.why_over(step, 1e9) for step in (7, 8)] == ["", "steps"]


@pytest.mark.parametrize("seconds", [5.0, 90.0, 7200.0])
@pytest.mark.parametrize("pace", [0.01, 0.4])
def test_a_steady_pace_fills_the_time_and_the_schedule(seconds, pace):
    plan = Plan(UNBOUNDED_STEPS, seconds)
    assert plan.total == 0
    step, elapsed_s, progress = run_by_time(plan, lambda elapsed_s: pace)
    assert plan.why_over(step, elapsed_s) == "time"
    assert elapsed_s == pytest.approx(seconds, abs=2 * pace)
    assert progress == sorted(progress)
    assert progress[0] == 0
    assert progress[-1] > 0.95 if seconds > 20 * pace else progress[-1] > 0.8


def test_a_changing_pace_ends_in_time_all_the_same():
    moody = random.Random(3)
    plan = Plan(UNBOUNDED_STEPS, 100.0)
    _, elapsed_s, progress = run_by_time(plan, lambda elapsed_s: moody.uniform(0.01, 0.03) * (1 + (elapsed_s > 50)))
    assert elapsed_s == pytest.approx(100, abs=1.5)
    assert progress[-1] > 0.97
    assert max(later - earlier for earlier, later in itertools.pairwise(progress)) < 0.05


def test_whichever_comes_first_ends_a_run():
    by_steps, by_time = Plan(50, 100.0), Plan(50_000, 100.0)
    step, elapsed_s, progress = run_by_time(by_steps, lambda elapsed_s: 0.1)
    assert (step, by_steps.why_over(step, elapsed_s)) == (50, "steps")
    assert progress == pytest.approx([step / 50 for step in range(50)])
    step, elapsed_s, _ = run_by_time(by_time, lambda elapsed_s: 0.1)
    assert by_time.why_over(step, elapsed_s) == "time"


def test_decisions_survive_a_checkpoint():
    def pace(elapsed_s: float) -> float:
        return 0.02 + 0.0001 * elapsed_s

    whole, first, second = (Plan(UNBOUNDED_STEPS, 30.0) for _ in range(3))
    _, _, expected = run_by_time(whole, pace)
    step, elapsed_s, before = run_by_time(first, pace, until_s=11.0)
    second.restore(json.loads(json.dumps(first.state())))
    _, _, after = run_by_time(second, pace, (step, elapsed_s))
    assert before + after == expected


def test_a_run_out_of_time_is_over_at_once():
    plan = Plan(UNBOUNDED_STEPS, 10.0)
    assert plan.why_over(3, 10.0) == "time"
