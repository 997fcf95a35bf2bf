"""What all steps of one attempt at a loop share."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine

from synthmill.pipeline.budgeting import Limits, Measured, count_whole_batches
from synthmill.pipeline.clock import Clock
from synthmill.pipeline.journal import Journal
from synthmill.pipeline.keeping import find, keep
from synthmill.pipeline.names import loop_of
from synthmill.pipeline.parsing import parse_plan
from synthmill.pipeline.partners import JobFailed, JobStopped, OnEvent, Partner, Partners, open_partners
from synthmill.pipeline.plan import NONE, Plan
from synthmill.pipeline.record import Record, State, Step
from synthmill.runtime.database import open_database
from synthmill.runtime.errors import Cancelled
from synthmill.runtime.jobs.context import JobContext
from synthmill.v1 import job_pb2

MEASURED = "measured"
"""What the outcome of an evaluation has under this name is how long it took."""

_STEP = "step"


class Run:
    """One attempt at a loop.

    Args:
        context: of its job.
        database: where what it has done is kept.
        partners: the other services.

    Attributes:
        plan: what it is to do.
        journal: what it has done.
        clock: time that was spent on it.
        record: what is told of it.
        limits: time that it may use.
    """

    def __init__(self, context: JobContext, database: Engine, partners: Partners) -> None:
        self.context, self.database, self.partners = context, database, partners
        self.plan = parse_plan(context.parameters)
        self.journal = Journal(context.scratch / "journal.jsonl")
        self.clock = Clock(context.scratch / "clock.json")
        # What is told begins anew, but for the files: those that have newer ones are removed.
        earlier = find(database, [context.name]).get(context.name, Record())
        steps = [Step(**step) for step in self.journal.find(_STEP)]
        self.record = Record(steps=steps, artifacts=earlier.artifacts)
        self.limits = _limits(self.plan)

    @property
    def name(self) -> str:
        """Of the loop: "loops/{id}"."""
        return loop_of(self.context.name)

    @property
    def measured(self) -> list[Measured]:
        """How long its evaluations took, in order."""
        return [Measured(**each) for each in self.journal.find(MEASURED)]

    def request_id(self, key: str) -> str:
        """Returns the request_id of what is done under a key, the same for every attempt."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.context.name}/{key}"))

    def step(self, key: str, make: Callable[[], Step]) -> Step:
        """Does something once and tells it; returns what came of it."""
        step = Step(**self.journal.once(key, lambda: {_STEP: vars(make())})[_STEP])
        if step not in self.record.steps:
            self.record.steps.append(step)
            self.keep()
        return step

    def job(
        self,
        key: str,
        partner: Partner,
        method: str,
        request: Any,
        *,
        on_event: OnEvent = lambda _event: None,
        required: bool = False,
    ) -> Step:
        """Lets another service do something, once, and returns what came of it.

        Args:
            key: of the step.
            partner: the service.
            method: of it, which returns a job.
            request: without a request_id.
            on_event: called with each event of the job.
            required: whether the loop cannot go on without it: then a job that failed is begun again with the loop.

        Raises:
            JobFailed: the job failed, and the step is not required.
            JobStopped: `on_event` has raised it, and the job was cancelled.
            SynthmillError: the error of a required job, or one of the service itself.
        """
        request.request_id = self.request_id(key)

        def make() -> Step:
            job = partner.ask(method, request)
            try:
                ended = partner.follow(job, self._telling(key, on_event), retry=required)
            except JobFailed as failed:
                if required:
                    raise failed.error from None
                raise
            except (Cancelled, JobStopped):
                partner.cancel(job.name)
                raise
            return Step(key, ended.name, ended.result, _seconds(ended))

        return self.step(key, make)

    def say(self, text: str) -> None:
        """Tells something worth reading, unless the loop goes over old ground."""
        if self.journal.is_fresh:
            self.context.message(text)

    def skip(self, text: str) -> None:
        """Tells that something did not fit the budget."""
        if text not in self.record.skipped:
            self.record.skipped.append(text)
            self.say(text)

    def keep(self, *, always: bool = False) -> None:
        """Writes down what was done, unless the loop goes over old ground.

        Args:
            always: whether to write in any case.
        """
        self.clock.keep()
        if always or self.journal.is_fresh:
            self.record.spent_s = self.clock.spent_s
            keep(self.database, self.context.name, self.context.attempt, self.record)

    def progress(self, key: str, done: int, total: int, unit: str, phase: str = "", **metrics: float) -> None:
        """Tells how far a step is, with the best score of all trials."""
        self.clock.keep()
        scores = [trial.score for trial in self.record.trials if trial.score is not None]
        best = {"best": max(scores)} if scores else {}
        counts = {"trials": sum(trial.state is not State.RUNNING for trial in self.record.trials)}
        told = f"{key}: {phase}" if phase else key
        self.context.progress(done, total, unit, phase=told, metrics={**metrics, **counts, **best})

    def _telling(self, key: str, on_event: OnEvent) -> OnEvent:
        def tell(event: job_pb2.JobEvent) -> None:
            if event.WhichOneof("event") == "progress":
                found = event.progress
                self.progress(key, found.done, found.total, found.unit, found.phase, **dict(found.metrics))
            on_event(event)

        return tell


@contextlib.contextmanager
def open_run(context: JobContext) -> Iterator[Run]:
    """Begins an attempt at a loop for the length of a with block."""
    with contextlib.ExitStack() as stack:
        database = open_database(context.config.database_url)
        stack.callback(database.dispose)
        yield Run(context, database, stack.enter_context(open_partners(context.config, context.check)))


def _limits(plan: Plan) -> Limits:
    return Limits(
        total_s=60 * plan.budget.minutes,
        training_s=60 * plan.train.minutes,
        whole_batches=count_whole_batches(plan.evaluate.seeds, plan.evaluate.probe_steps),
        trial_batches=plan.evaluate.trial_probe_steps,
        refines=True in plan.refine.filter or plan.refine.compression != (NONE,),
    )


def _seconds(job: job_pb2.Job) -> float:
    return job.end_time.ToNanoseconds() / 1e9 - job.create_time.ToNanoseconds() / 1e9
