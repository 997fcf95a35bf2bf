"""One page of metrics of several processes: what each of them tells, with its number as the label `process`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import REGISTRY, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

METRICS = "/synthmill.runtime.Process/Metrics"
LABEL = "process"


async def exposition() -> bytes:
    """Returns the metrics of this process, as OpenMetrics has them: there, a counter and its `_created` are one."""
    return await asyncio.to_thread(generate_latest, REGISTRY)


def merge(pages: Mapping[str, str]) -> list[Metric]:
    """Returns the metrics of several processes, each series with the label `process`.

    Args:
        pages: what each process tells, by its label.
    """
    merged: dict[str, Metric] = {}
    for process, page in pages.items():
        for family in text_string_to_metric_families(page):
            whole = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type, family.unit))
            whole.samples += [sample._replace(labels={**sample.labels, LABEL: process}) for sample in family.samples]
    return list(merged.values())


class MergedMetrics(Collector):
    """The metrics of several processes, fetched whenever somebody asks.

    Args:
        fetch: returns what each process tells, by its label; those that are not there are left out.
    """

    def __init__(self, fetch: Callable[[], Mapping[str, str]]) -> None:
        self._fetch = fetch

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics."""
        return merge(self._fetch())
