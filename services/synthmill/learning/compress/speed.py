"""Measures how fast sampler graphs are, side by side."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping

from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.task import CheckCallback

BATCH_SIZES = (256, 1024)

_ROUNDS = 7
# Of larger samples a large batch needs gigabytes, and a small one keeps the kernels as busy.
_SMALL_SAMPLE_BYTES = 4096


def measure_speed(
    graphs: Mapping[str, bytes], info: GraphInfo, threads: int, check: CheckCallback
) -> dict[int, dict[str, float]]:
    """Returns samples per second of each graph by batch size, in a session of its own on the CPU.

    The graphs take turns, so that whatever else the machine does meets them alike; the median of the rounds counts.

    Args:
        graphs: sampler graphs by name.
        info: of any of them: they take and make the same.
        threads: that compute a batch; 0 means one per core.
        check: called between rounds; raises to stop.
    """
    sessions = {name: open_session(graph, threads) for name, graph in graphs.items()}
    rates = {}
    sample_bytes = sum(dtype.itemsize * math.prod(shape) for dtype, shape in info.columns.values())
    for size in BATCH_SIZES if sample_bytes <= _SMALL_SAMPLE_BYTES else BATCH_SIZES[:1]:
        feeds = make_feeds(len(info.metadata.labels), 0, 0, size)
        seconds: dict[str, list[float]] = {name: [] for name in graphs}
        for session in sessions.values():
            session.run(None, feeds)
        for _ in range(_ROUNDS):
            for name, session in sessions.items():
                check()
                begun = time.perf_counter()
                session.run(None, feeds)
                seconds[name].append(time.perf_counter() - begun)
        rates[size] = {name: size / statistics.median(values) for name, values in seconds.items()}
    return rates
