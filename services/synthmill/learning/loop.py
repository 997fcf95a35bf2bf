"""The one training loop."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from synthmill.kinds.base import Columns, Learning
from synthmill.learning.checkpoint import write_checkpoint
from synthmill.learning.data import Order, load
from synthmill.learning.draws import Draws
from synthmill.learning.families.base import Batch, StepInput
from synthmill.learning.reporting import Reporter
from synthmill.learning.state import RunState
from synthmill.learning.task import LABEL, CheckCallback
from synthmill.runtime.errors import Cancelled


class Feed:
    """Gives every step its records and random numbers.

    Args:
        fabric: the device, and which of how many processes this is.
        learning: makes network inputs of records.
        columns: the records.
        order: the order in which they are drawn.
        batch_size: records in a batch, over all processes.
        batches_per_step: batches in a step.
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
        seed: int,
    ) -> None:
        self._fabric, self._learning, self._columns, self._order = fabric, learning, columns, order
        self._batch_size, self._batches_per_step, self._seed = batch_size, batches_per_step, seed
        share = batch_size // fabric.world_size
        self._rows = slice(fabric.global_rank * share, (fabric.global_rank + 1) * share)

    def step_input(self, step: int, progress: float) -> StepInput:
        """Returns what a step, from 0, is given: a pure function of seed, step and progress, in [0, 1)."""
        start = step * self._batches_per_step
        batches = [self._batch(number) for number in range(start, start + self._batches_per_step)]
        draws = Draws(self._seed, step, self._rows, self._batch_size, self._fabric.device)
        return StepInput(step, progress, batches, draws)

    def _batch(self, number: int) -> Batch:
        rows = self._order.take(number * self._batch_size, self._batch_size)[self._rows]
        records = {name: self._to_device(array) for name, array in load(self._columns, rows).items()}
        label = records.pop(LABEL, None)
        x = self._learning.to_input(records)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return Batch(x, label)

    def _to_device(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self._fabric.device)


class Saver:
    """Writes checkpoints of a run at intervals.

    Args:
        run: the run.
        folder: where they go.
        interval_s: least time between two of them; 0 writes one after every step.
    """

    def __init__(self, run: RunState, folder: Path, interval_s: float) -> None:
        self._run, self._folder, self._interval_s = run, folder, interval_s
        # All processes have the same state; the first one writes it.
        self._writes = run.family.fabric.is_global_zero
        self._saved_at, self._saved_step = time.monotonic(), run.step

    def save_if_due(self) -> None:
        """Writes a checkpoint if the last one is old."""
        if time.monotonic() - self._saved_at >= self._interval_s:
            self.save()

    def save(self) -> None:
        """Writes a checkpoint unless there is one of this step."""
        if self._writes and self._saved_step != self._run.step:
            write_checkpoint(self._folder, self._run.to_checkpoint())
            self._saved_at, self._saved_step = time.monotonic(), self._run.step


def run_loop(run: RunState, feed: Feed, total: int, *, saver: Saver, reporter: Reporter, check: CheckCallback) -> None:
    """Trains until `total` steps are done; leaves a checkpoint behind when it ends, and when it is cancelled.

    Args:
        run: state to go on from; changed in place.
        feed: gives every step its records.
        total: steps in all.
        saver: writes checkpoints.
        reporter: told of every step.
        check: called before every step; raises to stop.

    Raises:
        Diverged: a number is not finite.
        Cancelled: `check` or the reporter's callback said so.
    """
    mark = time.monotonic()
    try:
        while run.step < total:
            check()
            losses = run.family.train_step(feed.step_input(run.step, run.step / total))
            run.ema.update(run.step)
            values = {name: loss.item() for name, loss in losses.items()}
            run.history.add(run.step, values)
            run.step += 1
            now = time.monotonic()
            run.elapsed_s, mark = run.elapsed_s + now - mark, now
            saver.save_if_due()
            reporter.add(run.step, values)
    except Cancelled:
        saver.save()
        raise
    saver.save()
