"""Streams through the SDK: records go and results come, side by side."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import Any

from synthmill.bench.arrivals import count_arrivals
from synthmill.bench.augmentation.records import load_records, size_bytes
from synthmill.bench.augmentation.target import Task
from synthmill.bench.span import Span


def stream_records(
    task: dict[str, Any], streams: int, warm_s: float, span: dict[str, Any], pid: int | None = None
) -> dict[str, Any]:
    """Sends records and receives what becomes of them, over streams that each have a thread and a connection.

    Args:
        task: fields of `Task`.
        streams: number of streams.
        warm_s: time that does not count.
        span: fields of `Span`: images that come back, or a time.
        pid: process id of the service, whose processor time is then told too.

    Returns:
        Rates, and as "first_us" how long each stream took to bring its first result, in microseconds.
    """
    from synthmill.client import Client
    from synthmill.client.crews import Crew

    given = Task(**task)
    records, how = load_records(given.records), given.how()
    arrivals, lock = count_arrivals(streams, warm_s, Span(**span), pid), threading.Lock()
    first_us: list[int] = []

    def run(stream: int) -> None:
        with Client(augmentation_address=given.address) as client:
            # That a connection has to be made says nothing about the stream.
            client.augmentation.augment_records(records[:1], **how)
            begin = time.perf_counter()
            with contextlib.closing(client.augmentation.iter_augmented(itertools.cycle(records), **how)) as results:
                for number, result in enumerate(results):
                    if not number:
                        first_us.append(int((time.perf_counter() - begin) * 1e6))
                    with lock:
                        arrivals.add(stream, 1, size_bytes(result.arrays))
                    if arrivals.enough:
                        break

    Crew().run(run, range(streams), streams)
    found = arrivals.figures("images")
    # All records have one size, and as many go as come back.
    return {**found, "sent_bytes_per_s": found["images_per_s"] * size_bytes(records[0]), "first_us": first_us}
