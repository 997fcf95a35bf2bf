"""What the catalog holds, for Prometheus and for whoever asks how the service is doing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from prometheus_client import REGISTRY, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from synthmill.catalog.tables import (
    Collection,
    DatasetVersion,
    Evaluation,
    ModelVersion,
    PolicyVersion,
    StoredArtifact,
)
from synthmill.runtime.names import DATASETS, EVALUATIONS, MODELS, POLICIES, ResourceName
from synthmill.v1 import status_pb2

_TABLES = {DATASETS: DatasetVersion, MODELS: ModelVersion, POLICIES: PolicyVersion, EVALUATIONS: Evaluation}
_REPORTED_MODELS = 100

logger = logging.getLogger(__name__)


class Holdings(Collector):
    """Counts what there is whenever somebody asks.

    Args:
        database: the catalog's.
    """

    def __init__(self, database: Engine) -> None:
        self._database = database

    async def start(self) -> None:
        """Begins to tell Prometheus."""
        REGISTRY.register(self)

    async def stop(self) -> None:
        """Ends telling."""
        # It is not there if the service has ended before it began.
        with contextlib.suppress(KeyError):
            REGISTRY.unregister(self)

    async def report(self, status: status_pb2.ServiceStatus) -> None:
        """Adds the promoted models, and how many versions of what there are, to a status."""
        counts, promoted = await asyncio.to_thread(self._read)
        status.promoted_models.extend(promoted)
        for resource, count in counts.items():
            status.gauges.add(name=resource, value=count, unit="versions" if resource != EVALUATIONS else "evaluations")

    def describe(self) -> Iterable[Metric]:
        """Returns nothing: what there is to tell is known when the database answers."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics; none while the database does not answer."""
        versions = GaugeMetricFamily("synthmill_catalog_versions", "Versions and evaluations.", labels=["resource"])
        size = GaugeMetricFamily("synthmill_catalog_stored_bytes", "Files that versions are made of, each once.")
        try:
            with Session(self._database) as session:
                for resource, count in count_versions(session).items():
                    versions.add_metric([resource], count)
                size.add_metric([], _stored_bytes(session))
        # Whatever is wrong with the database, the other metrics are wanted all the more.
        except Exception:
            logger.exception("the catalog could not be counted for its metrics")
            return ()
        return [versions, size]

    def _read(self) -> tuple[dict[str, int], list[str]]:
        with Session(self._database) as session:
            return count_versions(session), promoted_models(session, _REPORTED_MODELS)


def count_versions(session: Session) -> dict[str, int]:
    """Returns how many versions there are, of datasets, models and policies, and how many evaluations."""
    return {name: session.scalar(select(func.count()).select_from(table)) for name, table in _TABLES.items()}


def promoted_models(session: Session, limit: int) -> list[str]:
    """Returns the names of the model versions that are promoted, in order of their names."""
    promoted = select(Collection).where(Collection.promoted_version.is_not(None))
    rows = session.scalars(promoted.order_by(Collection.name).limit(limit))
    return [str(ResourceName(row.name, row.promoted_version)) for row in rows]


def _stored_bytes(session: Session) -> int:
    files = select(StoredArtifact.sha256, StoredArtifact.size_bytes).distinct().subquery()
    return session.scalar(select(func.coalesce(func.sum(files.c.size_bytes), 0)))
