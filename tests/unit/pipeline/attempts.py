"""Attempts at a loop inside the test process, each of which can be made to end at any moment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from unit.pipeline.world import World, running_world

from synthmill.pipeline import looping
from synthmill.pipeline.__main__ import HANDLERS
from synthmill.pipeline.config import PipelineConfig
from synthmill.pipeline.keeping import find
from synthmill.pipeline.names import TYPE
from synthmill.pipeline.parsing import parse_plan
from synthmill.pipeline.record import Record
from synthmill.runtime.database import open_database
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.jobs.table import Claim, JobTable
from synthmill.runtime.store import ObjectStore

SMALL: Mapping[str, Any] = {
    "dataset": "datasets/pets",
    "budget": {"minutes": 600, "trials": 7, "rounds": 2},
    "augment": {"policies": ["light", "rand_augment"]},
    "train": {"families": {"vae": {"parameters": {"width": {"choices": [8, 16]}}}}, "minutes": 1},
    "refine": {"compression": ["none"]},
    "mint": {"samples": 12, "emphasis": [2]},
    "evaluate": {"seeds": 2, "probe_steps": 20, "trial_probe_steps": 10},
}
"""A plan with a few trials of every stage, two rounds."""


class Death(BaseException):
    """Ends an attempt as a signal would: nothing of ours catches it."""


class MortalContext(JobContext):
    """A job's context that dies when it is looked at for so many times.

    Attributes:
        looks: how often it was looked at.
        dies_at: look at which it dies; 0 for never.
        messages: what was said.
    """

    looks = 0
    dies_at = 0

    def check(self) -> None:
        self.looks += 1
        if self.looks == self.dies_at:
            raise Death
        super().check()


class Service:
    """The database and store of a pipeline service that is not running.

    Args:
        folder: where they are.
        world: the other services.
        settings: of the service.

    Attributes:
        world: as given.
        last: context of the latest attempt.
    """

    def __init__(self, folder: Path, world: World, **settings: Any) -> None:
        self.world = world
        addresses = {f"{service}_address": address for service, address in world.addresses.items()}
        self.config = PipelineConfig(store=str(folder), patience_s=5.0, heartbeat_s=0.2, **addresses, **settings)
        self.store = ObjectStore(self.config.store_url)
        self.database = open_database(self.config.database_url)
        self.engine = JobEngine(self.config, self.store, HANDLERS)
        self.last: MortalContext | None = None
        self._table = JobTable(self.database, self.config.service, lease_s=600.0)
        self._claims: dict[str, Claim] = {}

    def create(self, plan: Mapping[str, Any] = SMALL) -> str:
        """Puts a loop in the queue and returns its job's name."""
        return self.engine.create(TYPE, parse_plan(plan).to_json()).name

    def begin(self) -> MortalContext:
        """Claims the job that is waiting and returns its context."""
        claim = self._table.claim()
        assert claim is not None
        self._claims[claim.name] = claim
        self.last = MortalContext(self._table, claim, self._table.get(claim.name), self.config, self.store)
        return self.last

    def run_attempt(self, context: MortalContext) -> None:
        """Makes an attempt at a job that was claimed."""
        result = looping.run(context)
        context.finish(lambda _session: result)

    def give_back(self, context: MortalContext) -> None:
        """Lets another attempt be made at a job."""
        self._table.release(self._claims[context.name])

    def attempt(self, dies_at: int = 0) -> None:
        """Makes the next attempt at the job that is waiting, which dies when it looks around for so many times."""
        context = self.begin()
        context.dies_at = dies_at
        try:
            self.run_attempt(context)
        except Death:
            self.give_back(context)

    def run(self, plan: Mapping[str, Any] = SMALL) -> Record:
        """Runs a loop to its end and returns what it has done."""
        job = self.create(plan)
        self.attempt()
        return self.record(job)

    def record(self, job: str) -> Record:
        """Returns what a loop has done."""
        return find(self.database, [job])[job]

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Waits until a condition holds."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "the condition was not met in time"
            time.sleep(0.01)

    @contextlib.contextmanager
    def another(self, folder: Path) -> Iterator[Self]:
        """Lends a service in a world of its own."""
        with running_world(World(self.world.lift)) as world:
            service = type(self)(folder, world)
            try:
                yield service
            finally:
                service.close()

    def close(self) -> None:
        """Lets go of the database."""
        self.database.dispose()


def told(record: Record) -> dict[str, Any]:
    """Returns what must be the same for all ways to the same end: all but times, names of jobs and files."""
    data = record.to_json()
    steps = [{**step, "job": "", "seconds": 0} for step in data["steps"]]
    trials = [{**trial, "seconds": 0} for trial in data["trials"]]
    return {
        **data,
        "steps": steps,
        "trials": trials,
        "artifacts": [each["name"] for each in data["artifacts"]],
        "spent_s": 0,
    }


def with_changes(plan: Mapping[str, Any], **sections: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a plan with other values in some sections."""
    return {**plan, **{name: {**plan.get(name, {}), **values} for name, values in sections.items()}}
