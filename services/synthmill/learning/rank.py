"""One of the processes that share a training, on whatever node of a Ray cluster it was placed."""

from __future__ import annotations

import collections
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthmill.learning.run import train
from synthmill.learning.task import Machine, TrainingResult, TrainingTask
from synthmill.runtime.errors import Cancelled, FailedPrecondition


class Rank:
    """One of the processes; while one thread of it trains, another answers.

    Args:
        number: which, from 0; the first one tells how it goes.
        count: how many there are.
    """

    def __init__(self, number: int, count: int) -> None:
        self._number, self._count = number, count
        self._told: collections.deque[tuple[str, Any]] = collections.deque()
        self._stopping = threading.Event()

    def meeting_place(self) -> tuple[str, int]:
        """Returns an address of this node, and a port of it that is free."""
        import ray

        host = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((host, 0))
            return host, probe.getsockname()[1]

    def train(
        self, task: TrainingTask, scratch: Path, machine: Machine, mark: str, meeting_place: tuple[str, int]
    ) -> TrainingResult:
        """Does its share, as `synthmill.learning.run.train`.

        Args:
            mark: name of a file that is in `scratch`.
            meeting_place: where the processes find each other.

        Raises:
            FailedPrecondition: the file is not there, so that this node does not share the folder.
        """
        if not (scratch / mark).exists():
            allowed = "a folder on a disk that all nodes of the Ray cluster have at this path"
            told = (
                f"local: {scratch} on the node {socket.gethostname()} is not the folder of the job, allowed: {allowed}"
            )
            raise FailedPrecondition(told, field="local", value=str(scratch), allowed=allowed)
        if self._count > 1:
            os.environ.update(self._as_torchrun_does(mark, meeting_place))
        tell = self._teller
        return train(task, scratch, machine=machine, progress=tell("progress"), check=self._check, say=tell("say"))

    def hear(self) -> list[tuple[str, Any]]:
        """Returns what was told since the last call: "progress" with a report, "say" with a text."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def stop(self) -> None:
        """Has the training end with `Cancelled` before its next step."""
        self._stopping.set()

    def _as_torchrun_does(self, run_id: str, meeting_place: tuple[str, int]) -> dict[str, str]:
        """Returns the variables by which `devices` knows how many share the work; each sees its own device alone."""
        host, port = meeting_place
        return {
            "TORCHELASTIC_RUN_ID": run_id,
            "RANK": str(self._number),
            "GROUP_RANK": str(self._number),
            "WORLD_SIZE": str(self._count),
            "LOCAL_RANK": "0",
            "LOCAL_WORLD_SIZE": "1",
            "MASTER_ADDR": host,
            "MASTER_PORT": str(port),
        }

    def _teller(self, what: str) -> Callable[[Any], None]:
        return lambda content: self._told.append((what, content))

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Cancelled("the run was asked to stop")
