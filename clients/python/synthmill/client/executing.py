"""Where shards are written: by threads of this process, or by tasks on the nodes of a Ray cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import Protocol

from synthmill.client.shard_writing import ShardWriter, Step
from synthmill.client.shards import Shard
from synthmill.runtime.executors.names import LOCAL, RAY, check_executor

# On two processors a second shard makes it half as fast again, since one is encoded while the other is received, and a
# third no faster. Each takes some 40 MB.
IN_FLIGHT = min(4, max(2, os.cpu_count() or 1))
"""Shards that one process works at at once, unless something else is asked for."""

OnStep = Callable[[Shard, Step], None]
"""Called with every step of every shard, possibly from several threads."""


class Executor(Protocol):
    """Has shards written.

    Attributes:
        name: one of `EXECUTORS`.
    """

    name: str

    async def write(self, writer: ShardWriter, shards: Iterable[Shard], in_flight: int | None, on_step: OnStep) -> None:
        """Writes shards, several at once; an error or an interruption stops all of them.

        Args:
            writer: knows how; over the endpoints of the caller.
            shards: in the order in which they are begun.
            in_flight: how many at once; None leaves it to the executor.
            on_step: told of every step.
        """


class LocalExecutor:
    """Writes shards in threads of this process, or tasks of its event loop."""

    name = LOCAL

    async def write(self, writer: ShardWriter, shards: Iterable[Shard], in_flight: int | None, on_step: OnStep) -> None:
        """As `Executor.write`."""

        async def write_one(shard: Shard) -> None:
            async with contextlib.aclosing(writer.steps(shard)) as steps:
                async for step in steps:
                    on_step(shard, step)

        await writer.sampling.each(write_one, shards, in_flight or IN_FLIGHT)


def make_executor(name: str, ray_address: str = "") -> Executor:
    """Makes an executor.

    Args:
        name: "local" or "ray".
        ray_address: of the Ray cluster, as `synthmill.runtime.executors.cluster.connected` takes it.

    Raises:
        InvalidField: there is no such executor.
        FailedPrecondition: Ray is not installed.
    """
    return _MAKERS[check_executor(name)](ray_address)


def _make_ray_executor(address: str) -> Executor:
    from synthmill.client.ray_tasks import RayExecutor

    return RayExecutor(address)


_MAKERS: dict[str, Callable[[str], Executor]] = {LOCAL: lambda _address: LocalExecutor(), RAY: _make_ray_executor}
