"""The life of a service process: settings, logs, metrics, server, health, drain."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from synthmill.runtime import metrics
from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.config import ServiceConfig, load_config
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import FailedPrecondition, InvalidField, SynthmillError
from synthmill.runtime.logs import set_up_logging
from synthmill.runtime.processes.siblings import Shared, Siblings

C = TypeVar("C", bound=ServiceConfig)
Hook = Callable[[], Awaitable[None]]

_KEEPALIVE_FLOOR_MS = 10_000
_EXIT_BAD_SETTINGS = 2

logger = logging.getLogger(__name__)

__all__ = ["Assembly", "Drain", "Mount", "run_service"]


@dataclasses.dataclass(frozen=True)
class Mount:
    """A gRPC service to answer for.

    Attributes:
        service_name: full name, "synthmill.v1.CatalogService".
        add: generated function that adds a servicer to a server.
        servicer: its implementation.
        reflected: whether reflection lists it; false for a name that no message of ours describes.
        quiet: whether calls that succeed are logged as details only.
        shared: its methods that mean the whole service, should several processes serve behind one port.
    """

    service_name: str
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object
    reflected: bool = True
    quiet: bool = False
    shared: Mapping[str, Shared] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Assembly:
    """The parts of a service.

    Attributes:
        mounts: what it answers for.
        start: run in order before it is ready.
        stop: run in order after the last call has ended.
    """

    mounts: Sequence[Mount]
    start: Sequence[Hook] = ()
    stop: Sequence[Hook] = ()


def run_service(config_class: type[C], build: Callable[[C, Drain], Assembly]) -> None:
    """Runs a service until SIGTERM or SIGINT; settings that cannot be met end it with status 2 before it begins.

    Args:
        config_class: the service's settings.
        build: puts its parts together; called inside the running event loop. FailedPrecondition says what is missing.
    """
    config = read_settings(config_class)
    set_up_logging(config.service, config.log_level)
    try:
        asyncio.run(serve(config, build))
    except FailedPrecondition as error:
        _end_for(config_class, error)


def read_settings(config_class: type[C]) -> C:
    """Returns the settings that this process was started with; bad ones end it with status 2."""
    try:
        return load_config(config_class, sys.argv[1:], os.environ)
    except InvalidField as error:
        _end_for(config_class, error)


def _end_for(config_class: type[ServiceConfig], error: SynthmillError) -> NoReturn:
    print(f"{config_class.service}: {error.message}", file=sys.stderr)
    sys.exit(_EXIT_BAD_SETTINGS)


def run_in_loop(main: Coroutine[Any, Any, None]) -> None:
    """Runs the main coroutine of a service of many small calls, which libuv hands on sooner than asyncio's loop does.

    Such a service must not start processes: libuv forks where asyncio's loop does not, and gRPC then starts its threads
    again in the child, which now and then dies of it before it has become another program.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def serve(config: C, build: Callable[[C, Drain], Assembly], siblings: Siblings | None = None) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        config: the service's settings.
        build: puts its parts together.
        siblings: the processes that this one shares its port with; None if the port is its own.
    """
    stopping = stop_signal()
    drain = Drain()
    assembly = build(config, drain)
    server = grpc.aio.server(options=_options(config, shared_port=siblings is not None))
    health = _mount(server, assembly, config.service, drain, siblings)
    # First of all, so that nothing is begun beside a service that has the port. With siblings the port is theirs, and
    # connections would be handed to this process before it can answer them.
    port = _listen(server, config) if siblings is None else 0
    metrics_port = metrics.start_endpoint(config.host, config.metrics_port)
    async with contextlib.AsyncExitStack() as stack:
        if siblings is not None:
            await siblings.start()
            stack.push_async_callback(siblings.stop)
        for hook in reversed(assembly.stop):
            stack.push_async_callback(hook)
        for hook in assembly.start:
            await hook()
        port = port or _listen(server, config)
        await server.start()
        for name in ("", *(mount.service_name for mount in assembly.mounts)):
            await health.set(name, health_pb2.HealthCheckResponse.SERVING)
        announce(config, port, metrics_port)
        await stopping.wait()
        logger.info("draining")
        await health.enter_graceful_shutdown()
        drain.begin()
        await server.stop(config.drain_grace_s)
    logger.info("stopped")


def _mount(
    server: grpc.aio.Server, assembly: Assembly, service: str, drain: Drain, siblings: Siblings | None
) -> health_aio.HealthServicer:
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for mount in assembly.mounts:
        given = {}
        if siblings is not None:
            siblings.mount(mount)
            given["adapt"] = functools.partial(siblings.adapt, mount)
        mount.add(mount.servicer, ObservedServer(server, service, drain, quiet=mount.quiet, **given))
    names = [mount.service_name for mount in assembly.mounts if mount.reflected]
    reflection.enable_server_reflection([*names, "grpc.health.v1.Health", reflection.SERVICE_NAME], server)
    return health


def _listen(server: grpc.aio.Server, config: ServiceConfig) -> int:
    return server.add_insecure_port(f"{config.host}:{config.listen_port}")


def _options(config: ServiceConfig, *, shared_port: bool) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_concurrent_streams", config.max_concurrent_streams),
        # A second service on the same port would otherwise start, and take half of the connections. For processes that
        # share a port, the front has seen to that.
        ("grpc.so_reuseport", int(shared_port)),
        ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_FLOOR_MS),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def stop_signal() -> asyncio.Event:
    """Returns an event that SIGTERM and SIGINT set from now on."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


def announce(config: ServiceConfig, port: int, metrics_port: int | None) -> None:
    """Says on standard output, in a line of JSON, that the service serves and where."""
    address = f"{config.host}:{port}"
    line = {"service": config.service, "address": address, "metrics": "", "state": "SERVING"}
    if metrics_port is not None:
        line["metrics"] = f"{config.host}:{metrics_port}"
    print(json.dumps(line), flush=True)
    logger.info("serving at %s", address)
