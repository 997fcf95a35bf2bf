"""Trains in several processes of one machine that share every batch, started and watched by torch's elastic agent."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from synthmill.learning.configuration import require_divisible
from synthmill.learning.run import train
from synthmill.learning.task import (
    DEFAULT_MACHINE,
    CheckCallback,
    Machine,
    ProgressCallback,
    SayCallback,
    TrainingResult,
    TrainingTask,
    ignore_progress,
    never_stop,
    say_nothing,
)
from synthmill.runtime.errors import Cancelled, Internal, SynthmillError, rebuild

# Of a task whose parameters are not resolved.
ANY = {"batch_size": 0, "accumulation": 1}
_LOOPBACK = "127.0.0.1"
_LOOK_EVERY_S = 0.2
_LAST_WORDS_S = 5.0


def train_in_processes(
    task: TrainingTask,
    scratch: Path,
    processes: int,
    *,
    machine: Machine = DEFAULT_MACHINE,
    progress: ProgressCallback = ignore_progress,
    check: CheckCallback = never_stop,
    say: SayCallback = say_nothing,
) -> TrainingResult:
    """Does what `train` does, in several processes: each on a device of its own, or all on the CPU.

    If one of them dies, all end, and a later call goes on from the last checkpoint. They end with this process, too.

    Args:
        task: what to train; its batch size is a multiple of the number of processes.
        scratch: folder of this run alone.
        processes: how many.
        machine: devices, precision and intervals; threads are those of each process.
        progress: called with every report, from another thread.
        check: called a few times a second, from that thread; raises `Cancelled` to stop the run.
        say: told what is worth reading, from that thread.

    Raises:
        SynthmillError: as `train`; InvalidField if the processes cannot share a batch, Internal if one of them died.
    """
    if processes == 1:
        return train(task, scratch, machine=machine, progress=progress, check=check, say=say)
    require_divisible(ANY | dict(task.parameters), processes)
    spawn = multiprocessing.get_context("spawn")
    post, stop = spawn.Queue(), spawn.Event()
    listener = _Listener(post, stop, {"progress": progress, "say": say}, check)
    listener.start()
    try:
        elastic_launch(_launching(processes), _work)(task, scratch, machine, os.getpid(), post, stop)
    except ChildFailedError as error:
        listener.finish()
        raise listener.error or Internal(f"a process that shared the training died: {_first_line(error)}") from error
    listener.finish()
    if listener.error:
        raise listener.error
    return listener.result


def _launching(processes: int) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint=f"{_LOOPBACK}:0",
        local_addr=_LOOPBACK,
        max_restarts=0,
        monitor_interval=_LOOK_EVERY_S,
        start_method="spawn",
    )


class _Listener(threading.Thread):
    """Hears what the first process has to tell, and passes on that it should stop.

    Attributes:
        result: of the run, once there is one.
        error: that ended it, or should.
    """

    def __init__(self, post: Any, stop: Any, callbacks: dict[str, Callable[[Any], None]], check: CheckCallback) -> None:
        super().__init__(daemon=True)
        self._post, self._ending, self._callbacks, self._check = post, stop, callbacks, check
        self._over = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        while not self._over.is_set() or not self._post.empty():
            try:
                what, content = self._post.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                what, content = "", None
            try:
                self._hear(what, content)
            # Whatever a callback raises ends the run; it is raised again where the run was started.
            except Exception as error:
                self.error = self.error or error
                self._ending.set()

    def finish(self) -> None:
        """Waits until everything that was told has been heard."""
        self._over.set()
        self.join(_LAST_WORDS_S)

    def _hear(self, what: str, content: Any) -> None:
        if what == "result":
            self.result = content
        elif what == "error":
            self.error = self.error or rebuild(*content)
        elif not self._ending.is_set():
            self._check()
            if what:
                self._callbacks[what](content)


def _work(task: TrainingTask, scratch: Path, machine: Machine, parent: int, post: Any, stop: Any) -> None:
    """Is one of the processes."""
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    is_first = os.environ["RANK"] == "0"

    def check() -> None:
        if stop.is_set():
            raise Cancelled("the run was asked to stop")

    def tell(what: str) -> Callable[[Any], None]:
        return lambda content: post.put((what, content))

    try:
        result = train(task, scratch, machine=machine, progress=tell("progress"), check=check, say=tell("say"))
    except SynthmillError as error:
        post.put(("error", (error.reason, error.message, error.metadata)))
        raise
    if is_first:
        post.put(("result", result))


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
