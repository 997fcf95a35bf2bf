"""The process that works at one job: `python -m synthmill.runtime.jobs.worker`, started by the engine.

Its first line of input says what to do; after that, the end of input means that the service has died, and the worker
with it: the lease runs out and whoever is there then takes over. The status is 0 if the job's state has been written,
and anything else if it has not.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from synthmill.runtime.config import ServiceConfig, load_config, to_flags
from synthmill.runtime.database import open_database
from synthmill.runtime.errors import Cancelled, Internal, ResourceExhausted, StaleLease, SynthmillError
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.jobs.table import Claim, JobTable
from synthmill.runtime.logs import log_context, set_up_logging
from synthmill.runtime.places import load, place_of
from synthmill.runtime.store import find_store
from synthmill.runtime.tracing.setting_up import set_up_tracing
from synthmill.runtime.tracing.setting_up import shut_down as shut_down_tracing
from synthmill.runtime.tracing.work import work_span

STALE_STATUS = 3
ORPHANED_STATUS = 4

_FULL = (errno.ENOSPC, errno.EDQUOT)

logger = logging.getLogger(__name__)

Handler = Callable[[JobContext], str | None]


@dataclasses.dataclass(frozen=True)
class Order:
    """What a worker is told to do.

    Attributes:
        config: "module:class" of the service's settings.
        flags: its values.
        handler: "module:function" that does the job.
        name: the job.
        token: of its claim.
    """

    config: str
    flags: list[str]
    handler: str
    name: str
    token: int

    @classmethod
    def make(cls, config: ServiceConfig, handler: str, claim: Claim) -> Order:
        """Puts an order together."""
        return cls(place_of(type(config)), to_flags(config), handler, claim.name, claim.token)

    def to_line(self) -> bytes:
        """Returns the line that is sent to a worker."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"


def main() -> None:
    """Works at the job named on the first line of input."""
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_die_with_service, daemon=True).start()
    config = load_config(load(order.config), order.flags, {})
    set_up_logging(config.service, config.log_level)
    set_up_tracing(config.service)
    try:
        with log_context(job=order.name):
            _work(order, config)
    finally:
        shut_down_tracing()


def _work(order: Order, config: ServiceConfig) -> None:
    table = JobTable(open_database(config.database_url), config.service, config.lease_s)
    claim = Claim(order.name, order.token)
    row = table.get(order.name)
    context = JobContext(table, claim, row, config, find_store(config))
    threading.Thread(target=_keep_lease, args=(table, claim, context, config.heartbeat_s), daemon=True).start()
    attributes = {"synthmill.job": row.name, "synthmill.job_type": row.type, "synthmill.attempt": row.attempts}
    try:
        with work_span(f"job {row.type}", table.trace(row.name), attributes) as context.span:
            _run(load(order.handler), table, claim, context)
    except StaleLease:
        logger.warning("another worker has taken over")
        _exit(STALE_STATUS)


def _run(handler: Handler, table: JobTable, claim: Claim, context: JobContext) -> None:
    try:
        result = handler(context)
        if not context.finished:
            context.finish(lambda _session: result or "")
    except StaleLease:
        raise
    except Cancelled:
        table.give_up(claim)
    except Exception as error:
        # Once the job has ended well, what its handler does afterwards cannot change that.
        if context.finished:
            logger.exception("failed after the job had succeeded")
        else:
            told = _as_told(error)
            table.fail(claim, describe(told))
            context.span.fail(told.message)
    if context.finished:
        shutil.rmtree(context.scratch, ignore_errors=True)


def describe(error: SynthmillError) -> dict[str, Any]:
    """Returns an error as the job table keeps it."""
    return {
        "code": error.code.value[0],
        "reason": error.reason,
        "message": error.message,
        "metadata": error.metadata,
    }


def _as_told(error: Exception) -> SynthmillError:
    if isinstance(error, SynthmillError):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return ResourceExhausted(f"the disk is full ({error.strerror})")
    if isinstance(error, MemoryError):
        return ResourceExhausted("the job needs more memory than there is")
    logger.error("the job failed", exc_info=error)
    return Internal(f"a fault of the service ({type(error).__name__}); its log has the details under the job's name")


def _keep_lease(table: JobTable, claim: Claim, context: JobContext, interval_s: float) -> None:
    while not context.finished:
        try:
            if table.renew(claim):
                context.cancel()
        except StaleLease:
            if not context.finished:
                logger.warning("another worker has taken over")
                _exit(STALE_STATUS)
            return
        # The database may be busy or its disk full for a while; if that lasts, the lease runs out and fences us.
        except Exception:
            logger.exception("the lease could not be renewed")
        time.sleep(interval_s)


def _die_with_service() -> None:
    # Not by way of Python's buffer: this thread would hold its lock when the interpreter ends, which is then an abort.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _exit(ORPHANED_STATUS)


def _exit(status: int) -> None:
    # At once, whatever the other threads are doing: the job may not be ours any more.
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
