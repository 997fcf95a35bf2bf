"""The receiving end of streams: messages as they come, and batches of the SDK."""

from __future__ import annotations

import asyncio
import functools
import resource
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from synthmill.bench.processes import cpu_seconds
from synthmill.bench.wire import PUMP, STREAM, sample_count
from synthmill.runtime.channels import READING

_LEAST_MESSAGES = 3
_FIRST_WITHIN_S = 60.0
_OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1), *READING]


class Arrivals:
    """Counts what arrives on several streams, and knows when it has seen enough of each.

    The rate of a stream is taken between two of its arrivals, so that a large message that comes seldom is not counted
    to a window it was not made in.

    Args:
        streams: number of streams.
        warm_s: time from the moment every stream has brought something; what comes in it is not counted.
        seconds: least time to count.
        clock: tells the time in seconds.
        service_cpu: tells the processor time of the service in seconds, if that can be known.

    Attributes:
        enough: whether there is enough to tell the rates.
        limit_s: after this long there is enough, however little it is.
    """

    def __init__(
        self,
        streams: int,
        warm_s: float,
        seconds: float,
        clock: Callable[[], float] = time.perf_counter,
        service_cpu: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._service_cpu = service_cpu
        self._service_cpu_s = 0.0
        self._warm_s = warm_s
        self._seconds = seconds
        self.limit_s = warm_s + 10 * seconds
        self._seen: list[list[tuple[float, int, int]]] = [[] for _ in range(streams)]
        self._begun: set[int] = set()
        self._start = float("inf")
        self._cpu_s = 0.0
        self.enough = False

    def add(self, stream: int, samples: int, size_bytes: int) -> None:
        """Counts a message that has just arrived."""
        now = self._clock()
        if stream not in self._begun:
            self._begun.add(stream)
            if len(self._begun) == len(self._seen):
                self._start = now + self._warm_s
            return
        if now < self._start or self.enough:
            return
        if not any(self._seen):
            self._note_cpu()
        self._seen[stream].append((now, samples, size_bytes))
        elapsed_s = now - self._start
        all_seen = elapsed_s >= self._seconds and min(map(len, self._seen)) >= _LEAST_MESSAGES
        if all_seen or elapsed_s > self.limit_s:
            self.enough = True
            self._note_cpu()

    def figures(self) -> dict[str, float]:
        """Returns rates in samples and bytes a second, and the processor time of this process per GiB.

        Raises:
            ValueError: a stream brought too little.
        """
        if not self.enough or min(map(len, self._seen)) < 2:
            raise ValueError(f"only {min(map(len, self._seen))} messages came on a stream; measure for longer")
        received = sum(size for seen in self._seen for _, _, size in seen)
        return {
            "samples_per_s": sum(_rate(seen, 1) for seen in self._seen),
            "bytes_per_s": sum(_rate(seen, 2) for seen in self._seen),
            "messages": sum(map(len, self._seen)),
            "client_cpu_s_per_gib": self._cpu_s / received * (1 << 30),
            **self._efficiency(),
        }

    def _note_cpu(self) -> None:
        """Makes the processor times those since it was last called."""
        self._cpu_s = _cpu_s() - self._cpu_s
        if self._service_cpu is not None:
            self._service_cpu_s = self._service_cpu() - self._service_cpu_s

    def _efficiency(self) -> dict[str, float]:
        if not self._service_cpu_s:
            return {}
        # What the first message to be counted brought was made before.
        _, first, _ = min(arrival for seen in self._seen for arrival in seen)
        samples = sum(samples for seen in self._seen for _, samples, _ in seen) - first
        return {"samples_per_cpu_s": samples / self._service_cpu_s}


async def receive(
    address: str, requests: Sequence[bytes], warm_s: float, seconds: float, pid: int | None = None
) -> dict[str, float]:
    """Receives streams of samples as serialised messages, and unpacks none of them.

    Args:
        address: "host:port" of the service.
        requests: a serialised `StreamSamplesRequest` per stream.
        warm_s: time that does not count.
        seconds: time that counts.
        pid: process id of the service, whose processor time is then told too.
    """
    return await _receive(address, STREAM, requests, _arrivals(len(requests), warm_s, seconds, pid), sample_count)


async def receive_pipe(address: str, requests: Sequence[bytes], warm_s: float, seconds: float) -> dict[str, float]:
    """Receives streams of the bare server; arguments as `receive`."""
    arrivals = _arrivals(len(requests), warm_s, seconds, None)
    return await _receive(address, PUMP, requests, arrivals, lambda message: 0)


def iterate(
    address: str,
    model: str,
    streams: int,
    warm_s: float,
    seconds: float,
    pid: int | None = None,
    count: int = 1 << 40,
) -> dict[str, float]:
    """Receives streams through the SDK's `iter_batches`, each in a thread; arguments as `receive`.

    Args:
        model: model version.
        streams: number of streams.
        count: samples of each stream, more than it will come to.
    """
    from synthmill.client import Client

    arrivals, lock = _arrivals(streams, warm_s, seconds, pid), threading.Lock()
    failures: list[Exception] = []

    def run(stream: int) -> None:
        try:
            with Client(sampling_address=address) as client:
                batches = client.sampling.iter_batches(model, count, seed=stream)
                for batch in batches:
                    size_bytes = sum(column.nbytes for column in batch.columns.values())
                    with lock:
                        arrivals.add(stream, batch.count, size_bytes)
                    if arrivals.enough or failures:
                        break
                batches.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(stream,)) for stream in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return arrivals.figures()


async def _receive(
    address: str, method: str, requests: Sequence[bytes], arrivals: Arrivals, count: Callable[[bytes], int]
) -> dict[str, float]:
    async def run(stream: int, request: bytes) -> None:
        async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
            call: Any = channel.unary_stream(method)(request)
            try:
                while not arrivals.enough and (message := await call.read()) is not grpc.aio.EOF:
                    arrivals.add(stream, count(message), len(message))
            finally:
                call.cancel()

    async with asyncio.timeout(_FIRST_WITHIN_S + arrivals.limit_s), asyncio.TaskGroup() as group:
        for stream, request in enumerate(requests):
            group.create_task(run(stream, request))
    return arrivals.figures()


def _arrivals(streams: int, warm_s: float, seconds: float, pid: int | None) -> Arrivals:
    service_cpu = None if pid is None else functools.partial(cpu_seconds, pid)
    return Arrivals(streams, warm_s, seconds, service_cpu=service_cpu)


def _rate(seen: Sequence[tuple[float, int, int]], field: int) -> float:
    return sum(arrival[field] for arrival in seen[1:]) / (seen[-1][0] - seen[0][0])


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
