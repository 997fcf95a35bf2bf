"""The process that was started: it holds the port, keeps the others that serve running, and serves nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from synthmill.runtime import metrics
from synthmill.runtime.config import ProcessesConfig
from synthmill.runtime.logs import set_up_logging
from synthmill.runtime.places import load
from synthmill.runtime.processes.child import Order
from synthmill.runtime.processes.keeper import Keeper, NotServing, ProcessMetrics
from synthmill.runtime.processes.metrics import METRICS, MergedMetrics
from synthmill.runtime.processes.port import reserved_port
from synthmill.runtime.processes.siblings import ask_all
from synthmill.runtime.service import announce, read_settings, refusal_told, run_in_loop, serve, stop_signal

_FAILED = 1
# What a process may take to end beyond the calls that are in flight.
_END_WITHIN_S = 5.0
_METRICS_WITHIN_S = 2.0

logger = logging.getLogger(__name__)


def run_processes(config_class: type[ProcessesConfig], build: str) -> None:
    """Runs a service until SIGTERM or SIGINT: in this process if it is to be the only one, else in others.

    Bad settings end it with status 2 before it begins.

    Args:
        config_class: the service's settings.
        build: "module:function" that puts its parts together. It gets the settings, a `Drain`, and, where others serve
            beside it, `siblings`.
    """
    config = read_settings(config_class)
    set_up_logging(config.service, config.log_level)
    if config.process_count == 1:
        with refusal_told(config_class):
            run_in_loop(serve(config, load(build)))
    else:
        sys.exit(asyncio.run(_hold(config, build)))


async def _hold(config: ProcessesConfig, build: str) -> int:
    """Holds what the processes share as long as they serve, and returns the exit status."""
    stopping = stop_signal()
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(reserved_port(config.host, config.listen_port))
        except OSError as error:
            logger.error("%s:%d cannot be listened on: %s", config.host, config.listen_port, error)
            return _FAILED
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="synthmill-", ignore_cleanup_errors=True))
        orders = [Order.make(config, build, number, port, folder) for number in range(config.process_count)]
        registry = CollectorRegistry()
        registry.register(MergedMetrics(_fetcher(Path(folder), len(orders))))
        metrics_port = metrics.start_endpoint(config.host, config.metrics_port, registry)
        told = ProcessMetrics(registry)
        keepers = [Keeper(order, told) for order in orders]
        within_s = config.drain_grace_s + _END_WITHIN_S
        return await _run(keepers, stopping, within_s, lambda: announce(config, port, metrics_port))


async def _run(
    keepers: Sequence[Keeper], stopping: asyncio.Event, within_s: float, on_serving: Callable[[], None]
) -> int:
    """Keeps processes running until the signal to stop, then ends them; returns the exit status.

    Args:
        keepers: the processes.
        stopping: the signal.
        within_s: how long they may take to end.
        on_serving: called when all of them serve.
    """
    working = asyncio.create_task(_keep(keepers, on_serving))
    signalled = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([working, signalled], return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        logger.info("draining")
        return 0
    except* NotServing as failed:
        for error in failed.exceptions:
            logger.error("%s", error)
    finally:
        signalled.cancel()
        await asyncio.gather(*(keeper.stop(within_s) for keeper in keepers))
        logger.info("stopped")
    return _FAILED


async def _keep(keepers: Sequence[Keeper], on_serving: Callable[[], None]) -> None:
    """Starts processes and keeps them running, for ever.

    Raises:
        ExceptionGroup: of `NotServing`, if some of them do not even begin.
    """
    async with asyncio.TaskGroup() as group:
        for keeper in keepers:
            group.create_task(keeper.start())
    on_serving()
    await asyncio.gather(*(keeper.keep() for keeper in keepers))


def _fetcher(folder: Path, count: int) -> Callable[[], Mapping[str, bytes]]:
    """Returns what asks the processes for their metrics, for the threads that serve metrics."""
    loop = asyncio.get_running_loop()

    def fetch() -> Mapping[str, bytes]:
        asked = ask_all(folder, range(count), METRICS, timeout_s=_METRICS_WITHIN_S)
        found = asyncio.run_coroutine_threadsafe(asked, loop).result(2 * _METRICS_WITHIN_S)
        return {str(number): dumped for number, dumped in found.items()}

    return fetch
