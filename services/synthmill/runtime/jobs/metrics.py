"""What the job table tells Prometheus: of all jobs of a service, whichever process works at them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from synthmill.runtime.jobs.queues import JobQueue, read_queues

_LABELS = ("service", "type")

logger = logging.getLogger(__name__)


class JobMetrics(Collector):
    """Reads the table whenever somebody asks; replicas on one database tell the same.

    Args:
        service: the label.
        types: of jobs that are told even if there are none.
        database: holds the table.
    """

    def __init__(self, service: str, types: Iterable[str], database: Engine) -> None:
        self._service = service
        self._types = list(types)
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Returns nothing: several engines in a process tell of the same metrics."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics; none while the database does not answer."""
        try:
            return self._told(read_queues(self._database, self._types))
        # Whatever is wrong with the database, the other metrics are wanted all the more.
        except Exception:
            logger.exception("the job table could not be read for its metrics")
            return ()

    def _told(self, queues: Sequence[JobQueue]) -> list[Metric]:
        pending = GaugeMetricFamily("synthmill_jobs_pending", "Jobs that wait for a worker.", labels=_LABELS)
        waiting = GaugeMetricFamily(
            "synthmill_jobs_pending_seconds", "How long the job has waited that waits for the longest.", labels=_LABELS
        )
        silent = GaugeMetricFamily(
            "synthmill_jobs_silent_seconds",
            "How long the running job has been silent that is so for the longest.",
            labels=_LABELS,
        )
        rates = GaugeMetricFamily(
            "synthmill_jobs_rate", "What running jobs get done in a second, by unit.", labels=(*_LABELS, "unit")
        )
        for queue in queues:
            labels = (self._service, queue.type)
            pending.add_metric(labels, queue.pending)
            waiting.add_metric(labels, queue.longest_pending_s)
            silent.add_metric(labels, queue.longest_silent_s)
            for unit, rate in queue.rates.items():
                rates.add_metric((*labels, unit), rate)
        return [pending, waiting, silent, rates]
