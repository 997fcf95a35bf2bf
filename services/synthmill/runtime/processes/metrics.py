"""One page of metrics of several processes: what each of them tells, with its number as the label `process`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

METRICS = "/synthmill.runtime.Process/Metrics"
LABEL = "process"


async def told() -> bytes:
    """Returns the metrics of this process, for `MergedMetrics`."""
    return await asyncio.to_thread(dump, REGISTRY)


def dump(registry: CollectorRegistry) -> bytes:
    """Returns metrics as JSON.

    Prometheus' own text would do, but reading it takes ten times as long.
    """
    families = [
        [family.name, family.documentation, family.type, family.unit, [sample[:3] for sample in family.samples]]
        for family in registry.collect()
    ]
    return json.dumps(families).encode()


def merge(dumps: Mapping[str, bytes]) -> list[Metric]:
    """Returns the metrics of several processes, each series with the label `process`.

    Args:
        dumps: what each process tells, by its label.
    """
    merged: dict[str, Metric] = {}
    for process, dumped in dumps.items():
        for name, *described, samples in json.loads(dumped):
            family = merged.setdefault(name, Metric(name, *described))
            family.samples += [Sample(series, {**labels, LABEL: process}, value) for series, labels, value in samples]
    return list(merged.values())


class MergedMetrics(Collector):
    """The metrics of several processes, fetched whenever somebody asks.

    Args:
        fetch: returns what each process tells, by its label; those that are not there are left out.
    """

    def __init__(self, fetch: Callable[[], Mapping[str, bytes]]) -> None:
        self._fetch = fetch

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics."""
        return merge(self._fetch())
