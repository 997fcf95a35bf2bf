"""The receiving end of streams: messages as they come, and batches of the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from synthmill.bench.arrivals import Arrivals, count_arrivals
from synthmill.bench.sampling.wire import PUMP, STREAM, sample_count
from synthmill.bench.span import Span
from synthmill.runtime.channels import READING

_FIRST_WITHIN_S = 60.0
_OPTIONS = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1), *READING]


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
    arrivals = count_arrivals(len(requests), warm_s, Span(seconds), pid)
    return await _receive(address, STREAM, requests, arrivals, sample_count)


async def receive_pipe(address: str, requests: Sequence[bytes], warm_s: float, seconds: float) -> dict[str, float]:
    """Receives streams of the bare server; arguments as `receive`."""
    arrivals = count_arrivals(len(requests), warm_s, Span(seconds), None)
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
    from synthmill.client.crews import Crew

    arrivals, lock = count_arrivals(streams, warm_s, Span(seconds), pid), threading.Lock()

    def run(stream: int) -> None:
        with (
            Client(sampling_address=address) as client,
            contextlib.closing(client.sampling.iter_batches(model, count, seed=stream)) as batches,
        ):
            for batch in batches:
                size_bytes = sum(column.nbytes for column in batch.columns.values())
                with lock:
                    arrivals.add(stream, batch.count, size_bytes)
                if arrivals.enough:
                    break

    Crew().run(run, range(streams), streams)
    return arrivals.figures("samples")


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
    return arrivals.figures("samples")
