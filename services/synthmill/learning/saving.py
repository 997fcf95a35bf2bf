"""Writes the checkpoints of a run: the latest, to go on from, and the best, to export."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from synthmill.learning.checkpoint import (
    Checkpoint,
    is_disk_full,
    keep_newest,
    read_checkpoint,
    write_checkpoint,
)
from synthmill.learning.state import RunState
from synthmill.learning.task import SayCallback

log = logging.getLogger(__name__)

_BEST = "best"


class Saver:
    """Writes checkpoints of a run, at intervals and when asked to.

    Where the disk is full it says so and the run goes on: the checkpoint before stays valid.

    Args:
        run: the run.
        folder: where they go.
        interval_s: least time between two of them; 0 writes one after every step.
        say: told of a full disk.
    """

    def __init__(self, run: RunState, folder: Path, interval_s: float, say: SayCallback) -> None:
        self._run, self._folder, self._interval_s, self._say = run, folder, interval_s, say
        # All processes have the same state; the first one writes it.
        self._writes = run.family.fabric.is_global_zero
        self._saved_at, self._saved_step = time.monotonic(), run.step
        self._full = False

    def save_if_due(self) -> None:
        """Writes a checkpoint if the last one is old."""
        if time.monotonic() - self._saved_at >= self._interval_s:
            self.save()

    def save(self) -> None:
        """Writes a checkpoint unless there is one of this step."""
        if self._saved_step != self._run.step:
            self.save_anyway()

    def save_anyway(self) -> None:
        """Writes a checkpoint, even if there is one of this step."""
        if self._writes:
            self._write(self._folder)
        # Also after a failure: the next attempt comes after the same time.
        self._saved_at, self._saved_step = time.monotonic(), self._run.step

    def save_best(self) -> None:
        """Writes the state that is to be exported unless a better one comes, then the latest, which names it."""
        before, self._run.best = self._run.best, self._run.to_checkpoint().number
        if self._writes and not self._write(self._folder / _BEST):
            self._run.best = before
        self.save_anyway()

    def _write(self, folder: Path) -> bool:
        for is_last_attempt in (False, True):
            try:
                write_checkpoint(folder, self._run.to_checkpoint())
                self._full = False
                return True
            except OSError as error:
                if not is_disk_full(error):
                    raise
                if is_last_attempt:
                    self._tell(error)
                else:
                    # One valid checkpoint is enough to go on from; the other one's room may do.
                    keep_newest(folder, 1)
        return False

    def _tell(self, error: OSError) -> None:
        log.warning("no checkpoint at step %d: %s", self._run.step, error)
        if not self._full:
            self._full = True
            self._say(
                f"step {self._run.step}: the disk is full, no checkpoint could be written ({error.strerror}); "
                "training goes on, and an interruption would set it back to the one before"
            )


def read_best(folder: Path, number: int) -> Checkpoint | None:
    """Returns the best checkpoint of a run, None if there is none or it is damaged.

    Args:
        folder: of the run's checkpoints.
        number: of the best one; 0 for none.
    """
    return read_checkpoint(folder / _BEST, number) if number else None
