"""Runs the jobs of one service: claims them, starts a worker process for each, and tells how they are doing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from prometheus_client import REGISTRY

from synthmill.runtime import metrics
from synthmill.runtime.artifacts import send_artifact
from synthmill.runtime.config import ServiceConfig
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import Internal, InvalidField, NotFound, StaleLease, Unavailable
from synthmill.runtime.jobs import pictures, queues
from synthmill.runtime.jobs.convert import from_state, to_event, to_job, to_queue
from synthmill.runtime.jobs.metrics import JobMetrics
from synthmill.runtime.jobs.names import service_of
from synthmill.runtime.jobs.table import CANCELLING, FINAL, SUCCEEDED, Claim, JobTable
from synthmill.runtime.jobs.tables import JobRow
from synthmill.runtime.jobs.worker import STALE_STATUS, Order, describe
from synthmill.runtime.migrations import open_current
from synthmill.runtime.paging import parse_page
from synthmill.runtime.store import ObjectStore
from synthmill.runtime.tracing.parents import headers
from synthmill.v1 import artifact_pb2, job_pb2, job_service_pb2, status_pb2

_CLAIM_INTERVAL_S = 0.25
_WATCH_INTERVAL_S = 0.1
_HEARTBEAT_S = 10.0
_LOADING_S = 60.0
_TIDY_INTERVAL_S = 2.0
_EVENTS_AT_ONCE = 500
_REPORTED_RUNNING, _REPORTED_FAILED = 50, 10
_LOST = "LOST"

logger = logging.getLogger(__name__)


class JobEngine:
    """The jobs of one service; several processes may run the same service on one database.

    `create`, `get`, `list`, `cancel` and `resume` block on the database for a moment: call them in a thread.

    Args:
        config: the service's settings.
        store: the object store.
        handlers: "module:function" by type of job.
        concurrency: jobs that run at the same time.
    """

    def __init__(
        self, config: ServiceConfig, store: ObjectStore, handlers: Mapping[str, str], concurrency: int = 1
    ) -> None:
        database = open_current(config)
        self._config = config
        self._store = store
        self._handlers = handlers
        self._concurrency = concurrency
        self._database = database
        self._table = JobTable(database, config.service, config.lease_s)
        self._metrics = JobMetrics(config.service, handlers, database)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._attempts: set[asyncio.Task[None]] = set()

    def create(
        self,
        job_type: str,
        parameters: Mapping[str, Any],
        request_id: str = "",
        identity: Mapping[str, Any] | None = None,
    ) -> job_pb2.Job:
        """Puts a job in the queue, or returns the one that the same request made before.

        Args:
            job_type: one of the handlers' types.
            parameters: JSON values.
            request_id: makes the call repeatable; empty means a new job every time.
            identity: what makes two requests the same, as JSON; by default the parameters.

        Raises:
            AlreadyExists: the request_id was used for another request.
        """
        job = to_job(self._table.create(job_type, parameters, request_id, identity, headers()))
        if self._loop:
            self._loop.call_soon_threadsafe(self._wake.set)
        return job

    def get(self, name: str) -> job_pb2.Job:
        """Returns a job.

        Raises:
            InvalidField: this is no name of a job.
            NotFound: there is no such job.
        """
        return to_job(self._table.get(self._own(name)))

    def list(self, request: job_service_pb2.ListJobsRequest) -> job_service_pb2.ListJobsResponse:
        """Lists jobs, the newest first.

        Raises:
            InvalidField: the page size, the token or the state is not allowed.
        """
        if request.state not in job_pb2.JobState.values():
            raise InvalidField("state", request.state, "a JobState, or UNSPECIFIED for all")
        state = from_state(request.state)
        page = parse_page(request.page_size, request.page_token, f"jobs {state}")
        rows = self._table.list(page, state)
        token = page.token_after((rows[page.size - 1].id,)) if len(rows) > page.size else ""
        return job_service_pb2.ListJobsResponse(jobs=map(to_job, rows[: page.size]), next_page_token=token)

    def cancel(self, name: str) -> job_pb2.Job:
        """Asks a job to stop; raises as `get`, and FailedPrecondition if it succeeded or failed."""
        return to_job(self._table.cancel(self._own(name)))

    def resume(self, name: str) -> job_pb2.Job:
        """Puts a failed or cancelled job back in the queue; raises as `get`, and FailedPrecondition otherwise."""
        job = to_job(self._table.resume(self._own(name)))
        if self._loop:
            self._loop.call_soon_threadsafe(self._wake.set)
        return job

    async def watch(self, name: str, after_sequence: int, drain: Drain) -> AsyncIterator[job_pb2.JobEvent]:
        """Yields a job's events after one of them, old and new, until its state is final.

        Raises:
            InvalidField: a malformed name or a negative number.
            NotFound: there is no such job.
            OutOfRange: no event has that number yet.
            Unavailable: the service is ending; another goes on after the details' `after_sequence`.
        """
        if after_sequence < 0:
            raise InvalidField("after_sequence", after_sequence, "0 or more")
        self._own(name)
        spoken = time.monotonic()
        while True:
            row, events = await asyncio.to_thread(self._table.events, name, after_sequence, _EVENTS_AT_ONCE)
            for event in events:
                yield to_event(row, event)
                after_sequence, spoken = event.sequence, time.monotonic()
            if after_sequence < row.last_sequence:
                continue
            if row.state in FINAL:
                return
            if drain.draining:
                raise Unavailable("the service is shutting down; watch again", after_sequence=after_sequence)
            if time.monotonic() - spoken > _HEARTBEAT_S:
                yield job_pb2.JobEvent()
                spoken = time.monotonic()
            await asyncio.sleep(_WATCH_INTERVAL_S)

    async def read_picture(
        self, name: str, sha256: str, offset: int, drain: Drain
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        """Yields the bytes of a picture that a job has made; the latest if no digest is given.

        Raises:
            InvalidField: this is no name of a job, or the offset lies outside the picture.
            NotFound: there is no such job, or it has no such picture any more.
            DataLoss, Unavailable: as `send_artifact`.
        """
        row = await asyncio.to_thread(self._table.get, self._own(name))
        picture = await asyncio.to_thread(pictures.find_picture, self._database, row.name, sha256)
        async for chunk in send_artifact(self._store, picture, offset, drain):
            yield chunk

    async def report(self, status: status_pb2.ServiceStatus) -> None:
        """Adds the jobs to a status."""
        await asyncio.to_thread(self._report, status)

    async def start(self) -> None:
        """Begins to work at jobs."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._sweep)
        REGISTRY.register(self._metrics)
        self._tasks = [asyncio.create_task(self._claim_jobs()), asyncio.create_task(self._tidy())]

    async def stop(self) -> None:
        """Ends the workers and puts their jobs back in the queue, to go on from their checkpoints."""
        # It is not there if the service has ended before it began.
        with contextlib.suppress(KeyError):
            REGISTRY.unregister(self._metrics)
        tasks = [*self._attempts, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._database.dispose)

    def _own(self, name: str) -> str:
        if service_of(name) != self._config.service:
            raise NotFound(f"{name} belongs to another service; this one is {self._config.service}", resource=name)
        return name

    def _report(self, status: status_pb2.ServiceStatus) -> None:
        status.job_queues.extend(map(to_queue, queues.read_queues(self._database)))
        status.running_jobs.extend(map(to_job, queues.running_jobs(self._database, _REPORTED_RUNNING)))
        status.failed_jobs.extend(map(to_job, queues.failed_jobs(self._database, _REPORTED_FAILED)))

    def _sweep(self) -> None:
        # A worker that was killed just after its job had succeeded left its folder.
        for folder in (self._config.scratch / "jobs").glob("*"):
            with contextlib.suppress(NotFound):
                if self._table.get(f"jobs/{folder.name}").state == SUCCEEDED:
                    shutil.rmtree(folder, ignore_errors=True)

    async def _claim_jobs(self) -> None:
        while True:
            self._wake.clear()
            try:
                while len(self._attempts) < self._concurrency and await self._claim_one():
                    pass
            # The database may be locked or its disk full for a while.
            except Exception:
                logger.exception("no job could be claimed")
            # Not wait_for: it forgets that it was cancelled if it is woken at the same moment, and this never ends.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLAIM_INTERVAL_S):
                    await self._wake.wait()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_INTERVAL_S)
            try:
                await asyncio.to_thread(pictures.remove_superseded, self._database, self._store)
            # Tidying can wait, whatever is wrong with the disk or the database now.
            except Exception:
                logger.exception("old pictures could not be removed")

    async def _claim_one(self) -> bool:
        claim = await asyncio.to_thread(self._table.claim)
        if claim is None:
            return False
        task = asyncio.create_task(self._attempt(claim))
        self._attempts.add(task)
        task.add_done_callback(self._attempt_ended)
        return True

    def _attempt_ended(self, task: asyncio.Task[None]) -> None:
        self._attempts.discard(task)
        self._wake.set()
        if not task.cancelled() and task.exception():
            logger.error("an attempt at a job was lost sight of", exc_info=task.exception())

    async def _attempt(self, claim: Claim) -> None:
        row = await asyncio.to_thread(self._table.get, claim.name)
        if row.type not in self._handlers:
            unknown = Internal(f"{row.type}: this version of the service has no such type of job")
            await asyncio.to_thread(self._table.fail, claim, describe(unknown))
            return
        with metrics.JOBS_RUNNING.labels(self._config.service, row.type).track_inprogress():
            outcome = await self._run_worker(claim, row)
        metrics.JOBS_ENDED.labels(self._config.service, row.type, outcome.lower()).inc()
        logger.info("attempt %d at %s (%s): %s", row.attempts, row.name, row.type, outcome)

    async def _run_worker(self, claim: Claim, row: JobRow) -> str:
        process = await _spawn(Order.make(self._config, self._handlers[row.type], claim))
        try:
            status = await self._wait(process, claim)
        except asyncio.CancelledError:
            await _kill(process)
            with contextlib.suppress(StaleLease):
                await asyncio.to_thread(self._table.release, claim)
            raise
        if status == 0:
            return (await asyncio.to_thread(self._table.get, claim.name)).state
        if status != STALE_STATUS:
            await self._lose(claim, status)
        return _LOST

    async def _wait(self, process: asyncio.subprocess.Process, claim: Claim) -> int:
        """Waits for a worker, and ends one that has been silent for longer than its lease.

        On a busy machine it may take longer than that to load: until it is heard of, the lease is prolonged for it,
        unless its job is to stop anyway.
        """
        granted, loads_until = claim.lease_until, time.monotonic() + _LOADING_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.lease_s / 2):
                    return await process.wait()
            row = await asyncio.to_thread(self._table.get, claim.name)
            loading = row.lease_until == granted and row.state != CANCELLING and time.monotonic() < loads_until
            if loading:
                with contextlib.suppress(StaleLease):
                    granted = await asyncio.to_thread(self._table.prolong, claim)
            elif row.lease_until < time.time() and row.token == claim.token:
                logger.warning("the worker of %s is silent and will be ended", claim.name)
                await _kill(process)

    async def _lose(self, claim: Claim, status: int) -> None:
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        error = Unavailable(f"the worker {how}", attempts=self._config.max_attempts)
        with contextlib.suppress(StaleLease):
            await asyncio.to_thread(self._table.lose, claim, self._config.max_attempts, describe(error))


async def _spawn(order: Order) -> asyncio.subprocess.Process:
    # A session of its own: Ctrl-C in a terminal ends the service, which then ends its workers in good order.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "synthmill.runtime.jobs.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=sys.stderr,
        start_new_session=True,
    )
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):
        process.stdin.write(order.to_line())
        await process.stdin.drain()
    return process


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
