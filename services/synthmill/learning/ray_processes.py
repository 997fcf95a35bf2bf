"""Trains in processes on the nodes of a Ray cluster that share every batch, and begins again when a node dies."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from synthmill.learning.configuration import require_divisible
from synthmill.learning.processes import ANY
from synthmill.learning.task import (
    DEFAULT_MACHINE,
    CheckCallback,
    Machine,
    Progress,
    ProgressCallback,
    SayCallback,
    TrainingResult,
    TrainingTask,
    ignore_progress,
    never_stop,
    say_nothing,
)
from synthmill.runtime.errors import Internal, Unavailable
from synthmill.runtime.executors.cluster import connected, first_line

log = logging.getLogger(__name__)

# One after the other, without getting on.
_MAX_LOSSES = 5
_LOOK_EVERY_S = 0.2
_PATIENCE_S = 600.0
# After this long a user wants to know what the job waits for.
_SAY_AFTER_S = 2.0
# A process trains in one thread and answers in another.
_THREADS = 2


def train_on_ray(
    task: TrainingTask,
    scratch: Path,
    processes: int,
    *,
    address: str = "",
    patience_s: float = _PATIENCE_S,
    machine: Machine = DEFAULT_MACHINE,
    progress: ProgressCallback = ignore_progress,
    check: CheckCallback = never_stop,
    say: SayCallback = say_nothing,
) -> TrainingResult:
    """Does what `train` does, in several processes of a cluster: each on a GPU of its own, or all on CPUs.

    If one of them is lost, with its node or alone, all end and others go on from the last checkpoint.

    Args:
        task: what to train; its batch size is a multiple of the number of processes, its files are on all nodes.
        scratch: folder of this run alone, which all nodes share.
        processes: how many.
        address: of the cluster, as `connected` takes it.
        patience_s: how long to wait for room on the cluster.
        machine: devices, precision and intervals; threads are those of each process.
        progress: called with every report.
        check: called a few times a second; raises `Cancelled` to stop the run.
        say: told what is worth reading.

    Raises:
        SynthmillError: as `train`, or as `connected`; FailedPrecondition if the nodes do not share the folder,
            Unavailable if the cluster has no room, Internal if processes are lost again and again.
    """
    require_divisible(ANY | dict(task.parameters), processes)
    furthest, losses = 0, 0
    with connected(address) as ray:
        while True:
            attempt = _Attempt(ray, processes, machine, {"progress": progress, "say": say}, check)
            try:
                with attempt.placed(patience_s):
                    return attempt.train(task, scratch)
            except _Lost as lost:
                losses = losses + 1 if attempt.step <= furthest else 1
                furthest = max(furthest, attempt.step)
                if losses == _MAX_LOSSES:
                    told = f"processes on the Ray cluster were lost {losses} times without getting on: {lost}"
                    raise Internal(told) from lost
                told = f"a process on the Ray cluster was lost ({lost})"
                say(f"step {attempt.step}: {told}; going on from the last checkpoint")


class _Lost(Exception):
    """A process is gone, alone or with its node."""


class _Attempt:
    """Processes that train until one is lost.

    Args:
        ray: Ray, connected.
        processes: how many.
        machine: as it was asked for.
        callbacks: for what the first process tells.
        check: raises to stop the run.

    Attributes:
        step: the last one that was told.
    """

    def __init__(
        self,
        ray: Any,
        processes: int,
        machine: Machine,
        callbacks: dict[str, Callable[[Any], None]],
        check: CheckCallback,
    ) -> None:
        self._ray, self._count = ray, processes
        on_gpus = machine.accelerator == "cuda" or (
            machine.accelerator == "auto" and ray.cluster_resources().get("GPU", 0) >= processes
        )
        # All of the same sort, whatever else their nodes have.
        self._machine = dataclasses.replace(machine, accelerator="cuda" if on_gpus else "cpu")
        self._needs = {"CPU": max(1, machine.threads), **({"GPU": 1} if on_gpus else {})}
        self._callbacks, self._check = callbacks, check
        self._error: Exception | None = None
        self._ranks: list[Any] = []
        self.step = 0

    @contextlib.contextmanager
    def placed(self, patience_s: float) -> Iterator[None]:
        """Starts the processes, on as few nodes as can be, and ends them after the with block.

        Raises:
            Unavailable: the cluster has had no room for so long.
        """
        from ray.util import placement_group, remove_placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        from synthmill.learning.rank import Rank

        # The fewer nodes, the fewer can die, and the less has to pass between them.
        group = placement_group([self._needs] * self._count, strategy="PACK")
        try:
            self._wait_for_room(group, patience_s)
            for number in range(self._count):
                options = {
                    "num_cpus": self._needs["CPU"],
                    "num_gpus": self._needs.get("GPU", 0),
                    "max_concurrency": _THREADS,
                    "scheduling_strategy": PlacementGroupSchedulingStrategy(group, number),
                }
                self._ranks.append(self._ray.remote(Rank).options(**options).remote(number, self._count))
            yield
        finally:
            for rank in self._ranks:
                self._ray.kill(rank)
            remove_placement_group(group)

    def train(self, task: TrainingTask, scratch: Path) -> TrainingResult:
        """Trains to the end.

        Raises:
            _Lost: a process is gone.
            Exception: whatever a process, a callback or `check` has raised.
        """
        mark = f"ray-{uuid.uuid4().hex}"
        (scratch / mark).touch()
        try:
            place = self._wait(self._ranks[0].meeting_place.remote())
            runs = [rank.train.remote(task, scratch, self._machine, mark, place) for rank in self._ranks]
            running = runs
            while running:
                ended, running = self._ray.wait(running, timeout=_LOOK_EVERY_S)
                self._hear()
                for run in ended:
                    self._result(run)
            self._hear()
            return self._result(runs[0])
        finally:
            (scratch / mark).unlink(missing_ok=True)

    def _wait_for_room(self, group: Any, patience_s: float) -> None:
        began, needs = time.monotonic(), ", ".join(f"{count} {name}" for name, count in self._needs.items())
        told = f"room for {self._count} processes with {needs} each on the Ray cluster"
        is_told = False
        while not group.wait(_LOOK_EVERY_S):
            self._check()
            waited_s = time.monotonic() - began
            if waited_s > patience_s:
                raise Unavailable(f"there was no {told} in {patience_s:g} s")
            if waited_s > _SAY_AFTER_S and not is_told:
                is_told = True
                self._callbacks["say"](f"waiting for {told}")

    def _wait(self, reference: Any) -> Any:
        while not self._ray.wait([reference], timeout=_LOOK_EVERY_S)[0]:
            self._check()
        return self._result(reference)

    def _hear(self) -> None:
        """Passes on what the first process has told, and has it stop if it should."""
        told = self._result(self._ranks[0].hear.remote())
        if self._error is not None:
            return
        try:
            for what, content in told:
                if isinstance(content, Progress):
                    self.step = content.step
                self._callbacks[what](content)
            self._check()
        # Whatever a callback raises ends the run; it is raised again when the run has ended.
        except Exception as error:
            self._error = error
            self._ranks[0].stop.remote()

    def _result(self, reference: Any) -> Any:
        """Returns what a call has returned; raises what it has, unless the run was to be stopped."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if self._error is not None:
                raise self._error from None
            # This is how torch tells that another process does not answer any more.
            if self._count > 1 and type(error.cause) in _broken_off():
                log.warning("a process ended with: %s", first_line(error.cause))
                raise _Lost("the others get no answer from it") from error
            raise error.cause from None
        except errors.RayError as error:
            raise self._error or _Lost(first_line(error)) from error


def _broken_off() -> tuple[type[BaseException], ...]:
    import torch

    return RuntimeError, torch.distributed.DistBackendError, torch.distributed.DistNetworkError
