"""Writes shards as tasks of a Ray cluster, whose nodes share the folder and reach the sampling service.

A shard is a pure function of its plan and appears whole, so a task may be begun again on another node when its own is
gone: Ray does so by itself. What a task has told before it was lost is not told again, as its steps are the same.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from synthmill.client.blocking import iterate
from synthmill.client.executing import OnStep
from synthmill.client.shard_writing import ShardWriter, Step
from synthmill.client.shards import Shard
from synthmill.runtime.errors import FailedPrecondition, Unavailable
from synthmill.runtime.executors.cluster import connected, first_line
from synthmill.runtime.executors.names import RAY

# Of nodes that a task may lose, one after the other, before the run gives up.
_MAX_RETRIES = 5
_LOOK_EVERY_S = 0.2
# Tasks that wait begin as soon as others end, and tell a cluster that grows by itself how much there is to do.
_TASKS_PER_CPU = 2
_LEAST_TASKS = 4
# What a task does after it was stopped takes no longer, unless a disk hangs.
_PATIENCE_S = 20.0


class RayExecutor:
    """Writes each shard in a task of its own, with one CPU, on whatever node has room.

    Args:
        address: of the cluster, as `connected` takes it.
    """

    name = RAY

    def __init__(self, address: str) -> None:
        self._address = address

    async def write(self, writer: ShardWriter, shards: Iterable[Shard], in_flight: int | None, on_step: OnStep) -> None:
        """As `Executor.write`; without `in_flight` it follows the number of the cluster's CPUs.

        Raises:
            FailedPrecondition: the nodes do not share the folder, or Ray cannot be used here.
            Unavailable: there is no such cluster, or a shard was lost with too many nodes.
            And whatever writing a shard raises.
        """
        with connected(self._address) as ray:
            tasks = _Tasks(ray, writer)
            try:
                waiting = iter(shards)
                while True:
                    room = (in_flight or tasks.room()) - tasks.count
                    tasks.begin(itertools.islice(waiting, max(0, room)))
                    if not tasks.count:
                        return
                    for shard, step in await writer.sampling.work(tasks.steps):
                        on_step(shard, step)
            finally:
                await writer.sampling.work(tasks.stop)


class _Tasks:
    """Tasks under way."""

    def __init__(self, ray: Any, writer: ShardWriter) -> None:
        self._ray = ray
        self._write = ray.remote(num_cpus=1, max_retries=_MAX_RETRIES, num_returns="streaming")(_write)
        self._writer = ray.put(writer.elsewhere())
        self._running: dict[Any, Shard] = {}

    @property
    def count(self) -> int:
        """Number of tasks."""
        return len(self._running)

    def room(self) -> int:
        """Returns how many tasks keep the cluster busy."""
        return max(_LEAST_TASKS, int(_TASKS_PER_CPU * self._ray.cluster_resources().get("CPU", 0)))

    def begin(self, shards: Iterable[Shard]) -> None:
        """Begins to write shards."""
        for shard in shards:
            self._running[self._write.remote(self._writer, shard)] = shard

    def steps(self) -> list[tuple[Shard, Step]]:
        """Returns what was done within a moment, if anything was.

        Raises:
            SynthmillError: of a task, as it raised it; Unavailable for one that was lost for good.
        """
        ready, _ = self._ray.wait(list(self._running), timeout=_LOOK_EVERY_S)
        return [(self._running[task], step) for task in ready for step in self._next(task)]

    def stop(self) -> None:
        """Stops what is still under way, and waits until it has tidied up."""
        for task in self._running:
            self._ray.cancel(task)
        ends = [task.completed() for task in self._running]
        if ends:
            self._ray.wait(ends, num_returns=len(ends), timeout=_PATIENCE_S)

    def _next(self, task: Any) -> list[Step]:
        """Returns the next step of a task; none if it has ended."""
        errors = self._ray.exceptions
        try:
            return [self._ray.get(next(task))]
        except StopIteration:
            del self._running[task]
            return []
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError as error:
            shard = self._running[task]
            told = f"shard {shard.name} was lost on the Ray cluster: {first_line(error)}"
            raise Unavailable(told, executor=RAY) from error


def _write(writer: ShardWriter, shard: Shard) -> Iterator[Step]:
    """Is a task."""
    if writer.folder.read_plan() != writer.plan:
        path, node = writer.folder.path, socket.gethostname()
        allowed = "a folder on a disk that all nodes of the Ray cluster have at this path"
        told = f"out: {path} on the node {node} is not the folder that is written to, allowed: {allowed}"
        raise FailedPrecondition(told, field="out", value=str(path), allowed=allowed)
    yield from iterate(writer.steps(shard))
