"""Loads of single requests: clients that wait for their answer, and requests that come when they come."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import numpy as np

from synthmill.bench.processes import cpu_seconds, own_cpu_seconds

_OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)]
_PAUSE_AFTER_FAILURE_S = 0.01
# How long the last requests of a load may take beyond its end.
_LAST_WITHIN_S = 30.0
_REFUSED = grpc.StatusCode.RESOURCE_EXHAUSTED
_YIELD_EVERY = 16


@dataclasses.dataclass
class Outcomes:
    """What became of the requests of a load.

    Attributes:
        answered_us: latencies of those answered, in microseconds.
        refused_us: latencies of those refused.
        failed: number of others by status code.
        good: answers that came within the time that counts.
        samples: samples in those answers.
    """

    answered_us: list[int] = dataclasses.field(default_factory=list)
    refused_us: list[int] = dataclasses.field(default_factory=list)
    failed: Counter[str] = dataclasses.field(default_factory=Counter)
    good: int = 0
    samples: int = 0

    def note(
        self, code: grpc.StatusCode | None, latency_us: int, samples: int, sent_in_time: bool, came_in_time: bool
    ) -> None:
        """Counts a request that has ended; `code` is None if it was answered."""
        if code is None:
            self.good += came_in_time
            self.samples += samples * came_in_time
        if not sent_in_time:
            return
        if code is None:
            self.answered_us.append(latency_us)
        elif code is _REFUSED:
            self.refused_us.append(latency_us)
        else:
            self.failed[code.name] += 1

    def to_json(self) -> dict[str, Any]:
        """Returns them as JSON."""
        return {**vars(self), "failed": dict(self.failed)}


@dataclasses.dataclass(frozen=True)
class Mix:
    """Serialised requests to take in turn.

    Attributes:
        method: path of the method.
        requests: the requests.
        counts: samples that each asks for.
    """

    method: str
    requests: Sequence[bytes]
    counts: Sequence[int]


async def closed_loop(
    address: str,
    mix: Mix,
    concurrency: int,
    warm_s: float,
    seconds: float,
    timeout_s: float = 30.0,
    pid: int | None = None,
) -> dict[str, Any]:
    """Lets clients ask, each its next request as soon as it has its answer.

    Args:
        address: "host:port".
        mix: what they ask.
        concurrency: number of clients, each with a connection of its own.
        warm_s: time at the beginning that does not count.
        seconds: time that counts.
        timeout_s: deadline of a request.
        pid: process id of the server, whose processor time is then told too.
    """
    outcomes = Outcomes()
    begin = time.perf_counter() + warm_s
    end = begin + seconds
    used = _cpu_s(pid)

    async def client(number: int, call: Any) -> None:
        nonlocal used
        turn = number * len(mix.requests) // concurrency
        while (sent := time.perf_counter()) < end:
            if number == 0 and sent < begin:
                used = _cpu_s(pid)
            turn = (turn + 1) % len(mix.requests)
            code = await _ask(call, mix.requests[turn], timeout_s)
            now = time.perf_counter()
            outcomes.note(code, int((now - sent) * 1e6), mix.counts[turn], sent >= begin, begin <= now <= end)
            if code is not None:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async with _calls(address, mix.method, concurrency) as calls, asyncio.TaskGroup() as group:
        for number, call in enumerate(calls):
            group.create_task(client(number, call))
    client_s, server_s = _cpu_s(pid)
    told = {"client_cpu_s": client_s - used[0], "server_cpu_s": server_s - used[1]}
    return {**outcomes.to_json(), "seconds": seconds, **told}


async def open_loop(
    address: str,
    mix: Mix,
    rate: float,
    seconds: float,
    *,
    seed: int = 0,
    connections: int = 16,
    max_in_flight: int = 4096,
    timeout_s: float = 10.0,
) -> dict[str, Any]:
    """Sends requests at random times, whether or not earlier ones are answered: a Poisson process.

    A latency begins when its request was meant to be sent, so that a service that falls behind cannot hide it by
    holding up the load. `late_us` tells how much of that is the load's own delay.

    Args:
        address: "host:port".
        mix: what is asked.
        rate: requests a second.
        seconds: how long.
        seed: of the times.
        connections: number of connections they are spread over.
        max_in_flight: requests under way at most; one too many is not sent, and counts as UNSENT.
        timeout_s: deadline of a request.
    """
    outcomes, late_us, (used_s, _) = Outcomes(), [], _cpu_s(None)
    under_way: set[asyncio.Task[None]] = set()
    offsets = arrival_times(rate, seconds, seed)
    begin = time.perf_counter() + 0.05
    end = begin + seconds

    async def one(call: Any, turn: int, due: float) -> None:
        late_us.append(int((time.perf_counter() - due) * 1e6))
        code = await _ask(call, mix.requests[turn], timeout_s)
        now = time.perf_counter()
        outcomes.note(code, int((now - due) * 1e6), mix.counts[turn], True, now <= end)

    async with _calls(address, mix.method, connections) as calls:
        for number, offset in enumerate(offsets):
            wait_s = begin + offset - time.perf_counter()
            # When behind, what has been sent must still be able to go on.
            if wait_s > 0 or number % _YIELD_EVERY == 0:
                await asyncio.sleep(max(wait_s, 0))
            if len(under_way) >= max_in_flight:
                outcomes.failed["UNSENT"] += 1
                continue
            task = asyncio.create_task(one(calls[number % connections], number % len(mix.requests), begin + offset))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way, timeout=_LAST_WITHIN_S)
    client_cpu_s = _cpu_s(None)[0] - used_s
    told = {"offered": len(offsets), "late_us": late_us, "seconds": seconds, "client_cpu_s": client_cpu_s}
    return {**outcomes.to_json(), **told}


def arrival_times(rate: float, seconds: float, seed: int) -> list[float]:
    """Draws the times of a Poisson process, in seconds from its beginning, in order."""
    generator = np.random.default_rng(seed)
    number = generator.poisson(rate * seconds)
    return np.sort(generator.uniform(0, seconds, number)).tolist()


@contextlib.asynccontextmanager
async def _calls(address: str, method: str, connections: int) -> AsyncIterator[list[Any]]:
    channels = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(connections)]
    try:
        await asyncio.gather(*(asyncio.wait_for(channel.channel_ready(), _LAST_WITHIN_S) for channel in channels))
        yield [channel.unary_unary(method) for channel in channels]
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))


async def _ask(call: Any, request: bytes, timeout_s: float) -> grpc.StatusCode | None:
    """Returns None if there was an answer, else the status."""
    try:
        await call(request, timeout=timeout_s)
    except grpc.RpcError as error:
        return error.code()
    return None


def _cpu_s(pid: int | None) -> tuple[float, float]:
    """Returns the processor time of this process and of another, zero if there is none."""
    return own_cpu_seconds(), 0.0 if pid is None else cpu_seconds(pid)
