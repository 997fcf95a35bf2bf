"""The job "loop", from data to what is worth shipping.

    collect -> augment -> train -> refine -> mint -> evaluate -> decide -+
       ^                                                                 |
       +---------------------------- next round <------------------------+

Everything that is done is in the journal, and what is in the journal is not done again: an attempt begins at the
beginning, goes over old ground in a moment, and goes on where the one before it ended.
"""

from __future__ import annotations

from synthmill.pipeline import budgeting, deciding
from synthmill.pipeline.reporting import publish_reports
from synthmill.pipeline.rounds import play_round
from synthmill.pipeline.run import Run, open_run
from synthmill.pipeline.shipping import ship
from synthmill.pipeline.stages import Stages
from synthmill.pipeline.steps.collect import collect
from synthmill.pipeline.study import open_storage
from synthmill.runtime.jobs.context import JobContext


def run(context: JobContext) -> str:
    """Runs a loop; goes on where an earlier attempt ended. Returns its name."""
    with open_run(context) as attempt:
        return _loop(attempt)


def _loop(run: Run) -> str:
    dataset = collect(run)
    with open_storage(run.context.config.database_url) as storage:
        stages = Stages(run, dataset, storage)
        why_end = ""
        while not why_end:
            play_round(run, stages, dataset)
            why_end = _why_end(run)
            publish_reports(run)
    ship(run, dataset, why_end)
    publish_reports(run, always=True)
    run.keep(always=True)
    return run.name


def _why_end(run: Run) -> str:
    """Returns why there is no further round; empty if there is to be one."""
    rounds = run.record.rounds
    why = deciding.why_end(rounds, run.plan.decide, run.plan.budget.rounds)
    if why:
        return why
    fits = run.journal.once(
        f"time for round {len(rounds) + 1}", lambda: budgeting.round_fits(run.limits, run.clock.spent_s, run.measured)
    )
    if fits:
        return ""
    run.skip(f"Round {len(rounds) + 1} was not begun: what is left of the time is too short for one.")
    return "The time is over for further rounds."
