"""Builds what a run is made of, from its task and its newest checkpoint, and builds it again where it must change."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from synthmill.kinds.base import Columns, HyperParameters, Kind
from synthmill.learning.budget import Plan
from synthmill.learning.checkpoint import Checkpoint, read_checkpoint
from synthmill.learning.configuration import require_divisible
from synthmill.learning.course import Course, Validation
from synthmill.learning.data import make_order, open_columns, pick_evenly
from synthmill.learning.draws import Stream, derive_seed, derive_sequence
from synthmill.learning.ema import Ema
from synthmill.learning.families import FAMILIES
from synthmill.learning.families.base import GENERATOR
from synthmill.learning.film import Film
from synthmill.learning.history import History
from synthmill.learning.loop import Feed, Parts
from synthmill.learning.reporting import Reporter
from synthmill.learning.samples import draw_grid
from synthmill.learning.saving import Saver, read_best
from synthmill.learning.state import Changes, RunState, changes_of
from synthmill.learning.task import CheckCallback, Machine, ProgressCallback, SayCallback, TrainingTask
from synthmill.learning.validation import Validator, figure_of
from synthmill.runtime.errors import Unavailable

log = logging.getLogger(__name__)

# Records that `Family.settle` sees.
_SETTLED_IN_PASSING = 4096
_SETTLED_IN_THE_END = 65_536


class Session:
    """One attempt at a run.

    Args:
        task: what to train, its parameters resolved.
        kind: of the records.
        parameters: the task's, as the networks take them.
        columns: the records.
        fabric: device and processes.
        folder: of the run.
        machine: intervals.
        progress: called with every report.
        check: called between steps.
        say: told what is worth reading.
    """

    def __init__(
        self,
        task: TrainingTask,
        kind: Kind,
        parameters: HyperParameters,
        columns: Columns,
        fabric: Fabric,
        folder: Path,
        machine: Machine,
        progress: ProgressCallback,
        check: CheckCallback,
        say: SayCallback,
    ) -> None:
        self.task, self.kind, self.columns, self.folder = task, kind, columns, folder
        self._parameters, self._fabric, self._machine = parameters, fabric, machine
        self._progress, self._check, self._say = progress, check, say
        self._validator: Validator | None = None

    def start(self) -> RunState:
        """Returns the state of the newest checkpoint, or of the beginning."""
        checkpoint = self._agreed(read_checkpoint(self.folder))
        run = self._build(changes_of(checkpoint))
        if checkpoint:
            run.restore(checkpoint)
            log.info("going on from step %d", run.step)
        return run

    def go_back(self, run: RunState, why: str) -> RunState | None:
        """Returns a run that starts again from the best checkpoint with milder settings; None if it would not help.

        Once is enough: what goes wrong a second time has another cause than the pace.

        Args:
            run: what went wrong.
            why: in words.
        """
        self._fabric.barrier()
        best = read_best(self.folder, run.best)
        if best is None or run.changes.restarts:
            return None
        fresh = self._build(run.changes.milder())
        fresh.restore(best)
        rate = fresh.family.parameters.learning_rate
        text = f"step {run.step}: {why}; starting again from step {fresh.step}, once, with a learning rate of {rate:g}"
        fresh.course.go_back()
        fresh.said = [*run.said, text]
        fresh.best, fresh.elapsed_s = run.best, run.elapsed_s
        if fresh.plan.is_by_time and run.step_s:
            fresh.plan.decide(fresh.step, fresh.elapsed_s, run.step_s)
        self._say(text)
        self.film(fresh).cut_after(best.number)
        self._saver(fresh).save_anyway()
        return fresh

    def go_on(self, run: RunState, ended: str) -> RunState:
        """Lives with what goes wrong: ends the run, whose best checkpoint is what there is, or goes on.

        Args:
            run: what went wrong.
            ended: why the run is over; empty goes on.
        """
        run.trouble, run.ended = "", ended
        if ended:
            text = f"step {run.step}: the run ends here, and the checkpoint that was best is exported"
            run.said.append(text)
            self._say(text)
        self._saver(run).save_anyway()
        return run

    def shrink(self, run: RunState) -> RunState | None:
        """Returns the run of the newest checkpoint with batches of half the size; None if that was done before."""
        parameters = run.family.parameters
        size, parts = parameters.batch_size // 2, self._fabric.world_size * parameters.accumulation
        if run.changes.batch_divisor > 1 or size < 2 * self._fabric.world_size or size % parts:
            return None
        checkpoint = read_checkpoint(self.folder)
        if self._fabric.device.type == "cuda":
            torch.cuda.empty_cache()
        fresh = self._build(changes_of(checkpoint).smaller())
        if checkpoint:
            fresh.restore(checkpoint)
        text = (
            f"step {run.step}: out of memory with batches of {2 * size} records; going on from step {fresh.step} with "
            f"batches of {size}"
        )
        fresh.said.append(text)
        self._say(text)
        self._saver(fresh).save_anyway()
        return fresh

    def parts(self, run: RunState) -> Parts:
        """Returns what a run is trained with."""
        return Parts(
            feed=self._feed(run),
            validate=self._validate,
            saver=self._saver(run),
            reporter=Reporter(self._progress, self._machine, run.step, lambda: self._grid(run)),
            film=self.film(run),
            check=self._check,
            say=self._say,
            validation_interval=self._parameters.validation_interval,
        )

    def film(self, run: RunState) -> Film:
        """Returns the pictures of a run."""
        return Film(
            self.folder / "film",
            lambda: Checkpoint(run.step, {}, {}, run.changes.restarts).number,
            lambda: self._grid(run),
            takes=self._fabric.is_global_zero,
        )

    def exporting(self, run: RunState) -> None:
        """Tells that all steps of a run are done."""
        Reporter(self._progress, self._machine, run.step, lambda: b"").exporting(run.step)

    def settle(self, run: RunState) -> None:
        """Completes a run whose weights are those to be exported."""
        self._settle(run, _SETTLED_IN_THE_END)

    def _agreed(self, checkpoint: Checkpoint | None) -> Checkpoint | None:
        """Returns the checkpoint that the first process sees: a disk of a network may show others an older one.

        Raises:
            Unavailable: this process does not see it at all.
        """
        seen = checkpoint.number if checkpoint else 0
        number = self._fabric.broadcast(seen)
        if number == seen:
            return checkpoint
        found = read_checkpoint(self.folder, number) if number else None
        if number and found is None:
            raise Unavailable(f"{self.folder} does not show checkpoint {number} to process {self._fabric.global_rank}")
        return found

    def _build(self, changes: Changes) -> RunState:
        parameters = changes.apply(self._parameters)
        require_divisible(dataclasses.asdict(parameters), self._fabric.world_size)
        task = self.task
        torch.manual_seed(derive_seed(task.seed, Stream.WEIGHTS))
        learning = self.kind.learning()
        family = FAMILIES[task.family](self._fabric, learning, task.schema, len(task.labels), parameters)
        return RunState(
            family,
            Ema(family.modules[GENERATOR], parameters.ema_decay),
            History(),
            Plan(parameters.steps, task.budget_s),
            Course(figure_of(task), task.target, parameters.patience),
            changes,
        )

    def _feed(self, run: RunState) -> Feed:
        family = run.family
        return Feed(
            self._fabric,
            self.kind.learning(),
            self.columns,
            make_order(self.columns, self.task.seed, len(self.task.labels), family.parameters.class_weights),
            batch_size=family.parameters.batch_size,
            batches_per_step=family.batches_per_step,
            parts=family.parameters.accumulation,
            seed=self.task.seed,
        )

    def _validate(self, run: RunState, progress: float) -> Validation:
        if self._validator is None:
            task, kind, device = self.task, self.kind, self._fabric.device
            held_out = None
            if task.held_out:
                held_out = open_columns(task.held_out, kind.columns(task.schema), len(task.labels))
            latent_size = run.family.latent_size
            self._validator = Validator(task, kind.learning(), self.columns, held_out, latent_size, device)
        self._settle(run, _SETTLED_IN_PASSING)
        return self._validator.validate(run.family.sampler(run.ema.module), run.step, progress, self._check)

    def _settle(self, run: RunState, most: int) -> None:
        """Fits to records what is not learned step by step."""
        sequence = derive_sequence(self.task.seed, Stream.SETTLING)
        generator = np.random.default_rng(sequence)
        rows = pick_evenly(self.columns, most, len(self.task.labels), generator)
        run.family.settle(self._feed(run).batches(rows), int(sequence.generate_state(1)[0]))

    def _saver(self, run: RunState) -> Saver:
        return Saver(run, self.folder, self._machine.checkpoint_interval_s, self._say)

    def _grid(self, run: RunState) -> bytes:
        task = self.task
        generator, latent_size = run.family.sampler(run.ema.module), run.family.latent_size
        return draw_grid(generator, self.kind, task.schema, task.labels, latent_size, task.seed)
