"""Starts the catalog service: `python -m synthmill.catalog`."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from sqlalchemy import Engine

from synthmill.catalog import disposing, wrapping
from synthmill.catalog.config import CatalogConfig
from synthmill.catalog.holdings import Holdings
from synthmill.catalog.importing import job as importing
from synthmill.catalog.servicer import CatalogServicer
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.jobs.servicer import JobServicer
from synthmill.runtime.migrations import open_current
from synthmill.runtime.service import Assembly, Drain, Mount, run_service
from synthmill.runtime.store import ObjectStore, open_store
from synthmill.v1 import catalog_service_pb2_grpc, job_service_pb2_grpc

HANDLERS = {importing.TYPE: "synthmill.catalog.importing.job:run", wrapping.TYPE: "synthmill.catalog.wrapping:run"}

logger = logging.getLogger(__name__)


class Sweeper:
    """Removes unowned files from the store now and then, while the service runs."""

    def __init__(self, database: Engine, store: ObjectStore, interval_s: float) -> None:
        self._database = database
        self._store = store
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins sweeping."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends sweeping; a sweep that has begun is finished."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                removed = await asyncio.to_thread(disposing.sweep, self._database, self._store)
            # Sweeping can wait: whatever is wrong with the disk or the database now, the service must live on.
            except Exception:
                logger.exception("sweep failed")
                continue
            if removed:
                logger.info("removed %d files that nothing names any more", removed)


def build(config: CatalogConfig, drain: Drain) -> Assembly:
    """Puts the parts of the service together; nothing runs yet."""
    store = open_store(config)
    database = open_current(config)
    jobs = JobEngine(config, store, HANDLERS, concurrency=config.concurrent_jobs)
    holdings = Holdings(database)
    sweeper = Sweeper(database, store, config.sweep_interval_s)
    servicer = CatalogServicer(config, database, store, jobs, config.scratch / "inbox", drain)
    add_catalog = catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server
    add_jobs = job_service_pb2_grpc.add_JobServiceServicer_to_server
    return Assembly(
        mounts=[
            Mount("synthmill.v1.CatalogService", add_catalog, servicer),
            Mount("synthmill.v1.JobService", add_jobs, JobServicer(jobs, drain)),
        ],
        start=[jobs.start, sweeper.start, holdings.start],
        stop=[holdings.stop, sweeper.stop, jobs.stop, partial(asyncio.to_thread, database.dispose)],
        reports=[jobs.report, holdings.report],
    )


def main() -> None:
    """Runs the catalog until it is asked to stop."""
    run_service(CatalogConfig, build)


if __name__ == "__main__":
    main()
