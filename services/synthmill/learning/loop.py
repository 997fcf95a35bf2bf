"""The one training loop, and what feeds it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from synthmill.kinds.base import Columns, Learning
from synthmill.learning.course import Validation, Verdict
from synthmill.learning.data import Order, load
from synthmill.learning.draws import Draws
from synthmill.learning.families.base import Batch, Losses, StepInput
from synthmill.learning.film import Film
from synthmill.learning.reporting import Reporter
from synthmill.learning.saving import Saver
from synthmill.learning.state import RunState
from synthmill.learning.task import LABEL, CheckCallback, SayCallback
from synthmill.runtime.errors import Cancelled

# A validation costs as much as 12 to 37 steps of 64 records, measured on images of 8 x 8 to 64 x 64.
_LEAST_RECORDS_BETWEEN = 600 * 64
_VALIDATIONS = 16
_READ_AT_ONCE = 512
# Of the time since the one before.
_VALIDATION_SHARE = 0.05
_RESERVED_SHARE = 0.05


class Feed:
    """Gives every step its records and random numbers.

    Args:
        fabric: the device, and which of how many processes this is.
        learning: makes network inputs of records.
        columns: the records.
        order: the order in which they are drawn.
        batch_size: records in a batch, over all processes.
        batches_per_step: batches in a step.
        parts: that this process's share of a batch is split into.
        seed: of the random numbers.
    """

    def __init__(
        self,
        fabric: Fabric,
        learning: Learning,
        columns: Columns,
        order: Order,
        *,
        batch_size: int,
        batches_per_step: int,
        parts: int,
        seed: int,
    ) -> None:
        self._fabric, self._learning, self._columns, self._order = fabric, learning, columns, order
        self._batch_size, self._batches_per_step, self._seed = batch_size, batches_per_step, seed
        size = batch_size // (fabric.world_size * parts)
        first = fabric.global_rank * parts
        self._parts = [slice(number * size, (number + 1) * size) for number in range(first, first + parts)]

    def step_input(self, step: int, progress: float) -> list[StepInput]:
        """Returns what a step, from 0, is given, in parts: a pure function of seed, step and progress, in [0, 1)."""
        numbers = range(step * self._batches_per_step, (step + 1) * self._batches_per_step)
        batches = [self._order.take(number * self._batch_size, self._batch_size) for number in numbers]
        return [self._part(step, progress, batches, rows) for rows in self._parts]

    def _part(self, step: int, progress: float, batches: Sequence[np.ndarray], rows: slice) -> StepInput:
        draws = Draws(self._seed, step, rows, self._batch_size, self._fabric.device)
        return StepInput(step, progress, [self._read(batch[rows]) for batch in batches], draws)

    def batches(self, rows: np.ndarray) -> Iterator[Batch]:
        """Yields certain records, whatever the order."""
        for start in range(0, len(rows), _READ_AT_ONCE):
            yield self._read(rows[start : start + _READ_AT_ONCE])

    def _read(self, rows: np.ndarray) -> Batch:
        records = {name: self._to_device(array) for name, array in load(self._columns, rows).items()}
        label = records.pop(LABEL, None)
        x = self._learning.to_input(records)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return Batch(x, label)

    def _to_device(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._fabric.device)


class Trouble(Exception):
    """A run goes wrong without having left the finite numbers.

    Args:
        name: as `Verdict.trouble`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a run is trained with.

    Attributes:
        feed: gives every step its records.
        validate: measures the averaged generator of a run at a share of it; called in the first process alone.
        saver: writes checkpoints.
        reporter: told of every step.
        film: takes a picture now and then.
        check: called before every step; raises to stop.
        say: told what is worth reading.
        validation_interval: steps from one validation to the next; 0 chooses.
    """

    feed: Feed
    validate: Callable[[RunState, float], Validation]
    saver: Saver
    reporter: Reporter
    film: Film
    check: CheckCallback
    say: SayCallback
    validation_interval: int = 0


class Loop:
    """Trains a run to its end.

    Args:
        run: state to go on from; changed in place.
        parts: what it is trained with.
    """

    def __init__(self, run: RunState, parts: Parts) -> None:
        self._run, self._parts = run, parts
        self._fabric = run.family.fabric
        self._mark = time.monotonic()
        # Steps and their time since the last decision about the rest of the run.
        self._steps, self._steps_s = 0, 0.0

    def run(self) -> None:
        """Trains until the run is over, and leaves a checkpoint behind, also when it is cancelled.

        `run.ended` then tells why it is over: "steps", "time", "target", "plateau".

        Raises:
            Diverged: a number is not finite.
            Trouble: the generator has collapsed, or gets worse and worse.
            Cancelled: `check` or a callback said so.
        """
        run, saver = self._run, self._parts.saver
        if not run.next_validation and not run.plan.is_by_time:
            run.next_validation = self._first_validation()
        try:
            while not run.ended:
                self._parts.check()
                if run.trouble:
                    raise Trouble(run.trouble)
                why = run.plan.why_over(run.step, run.elapsed_s)
                # A run too short for a validation has none; every other one ends with one.
                if run.next_validation and (run.step >= run.next_validation or (why and not self._is_validated())):
                    self._validate()
                elif why:
                    run.ended = why
                else:
                    self._decide()
                    self._step()
        except Cancelled:
            saver.save()
            raise
        saver.save_anyway()

    def _step(self) -> None:
        run, parts = self._run, self._parts
        began = time.monotonic()
        losses = run.family.train_step(parts.feed.step_input(run.step, run.plan.progress(run.step)))
        run.ema.update(run.step)
        values = self._mean(losses)
        run.history.add(run.step, values)
        run.step += 1
        self._steps, self._steps_s = self._steps + 1, self._steps_s + time.monotonic() - began
        parts.film.take_if_due(run.plan.progress(run.step - 1), run.plan.progress(run.step))
        self._count_time()
        parts.saver.save_if_due()
        parts.reporter.add(run.step, run.plan.total, values)

    def _count_time(self) -> None:
        now = time.monotonic()
        self._run.elapsed_s, self._mark = self._run.elapsed_s + now - self._mark, now
        if self._run.plan.is_by_time:
            # One clock for all processes: they must end, and decide, at the same step.
            self._run.elapsed_s = self._agree(self._run.elapsed_s)

    def _decide(self) -> None:
        """Fixes the rest of a run by time, if it is time to; on disk before the first step that depends on it."""
        run = self._run
        if not self._steps or not run.plan.is_due(run.elapsed_s):
            return
        run.step_s = self._agree(self._steps_s / self._steps)
        self._steps, self._steps_s = 0, 0.0
        left_s = run.plan.seconds_for(1.0) - run.elapsed_s
        run.plan.decide(run.step, run.elapsed_s, run.step_s, self._reserve_s(left_s))
        if not run.next_validation:
            run.next_validation = self._first_validation()
        self._parts.saver.save_anyway()

    def _reserve_s(self, left_s: float) -> float:
        """Returns the time that validations will take in the rest of the run."""
        if not self._run.next_validation or not self._run.course.validations:
            return _RESERVED_SHARE * left_s
        one_s = self._run.course.validations[-1].seconds
        return min(one_s + _VALIDATION_SHARE * left_s, left_s / 2)

    def _validate(self) -> None:
        """Measures the averaged generator and keeps what follows from it, on disk before anything else happens."""
        run, parts = self._run, self._parts
        progress = run.plan.progress(run.step)
        found = self._agree(parts.validate(run, progress) if self._fabric.is_global_zero else None)
        verdict = run.course.take(found, run.history.last)
        figures = {run.course.figure: found.utility, "diversity": found.diversity, "copied_share": found.copied_share}
        run.history.add(run.step - 1, figures)
        run.next_validation = run.step + self._gap(found.seconds)
        run.ended, run.trouble = verdict.stop, verdict.trouble
        parts.reporter.note(figures)
        self._tell(verdict)
        self._count_time()
        if verdict.is_best:
            parts.saver.save_best()
        else:
            parts.saver.save_anyway()

    def _tell(self, verdict: Verdict) -> None:
        for text in verdict.said:
            self._run.said.append(text)
            self._parts.say(text)

    def _is_validated(self) -> bool:
        done = self._run.course.validations
        return bool(done) and done[-1].step == self._run.step

    def _first_validation(self) -> int:
        """Returns the step of the first validation; 0 if the run is too short to afford one."""
        gap = self._gap(0.0)
        return self._run.step + gap if self._run.plan.total >= gap else 0

    def _gap(self, validation_s: float) -> int:
        """Returns the steps to the next validation, such that all of them take about 5 % of the run.

        Args:
            validation_s: time that the last one took; 0 if there was none.
        """
        if self._parts.validation_interval:
            return self._parts.validation_interval
        run = self._run
        often = math.ceil(run.plan.total / _VALIDATIONS)
        if run.plan.is_by_time and validation_s and run.step_s:
            return max(often, math.ceil(validation_s / _VALIDATION_SHARE / run.step_s))
        return max(often, math.ceil(_LEAST_RECORDS_BETWEEN / run.family.parameters.batch_size))

    def _mean(self, losses: Losses) -> dict[str, float]:
        """Returns the losses of the whole batch: means over the processes, whose shares are equal."""
        if self._fabric.world_size > 1:
            values = self._fabric.all_reduce(torch.stack([loss.detach() for loss in losses.values()]), reduce_op="mean")
            return dict(zip(losses, values.tolist(), strict=True))
        return {name: loss.item() for name, loss in losses.items()}

    def _agree(self, value: Any) -> Any:
        """Returns the first process's value in all of them."""
        return self._fabric.broadcast(value) if self._fabric.world_size > 1 else value
