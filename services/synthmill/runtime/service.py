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
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
import uvloop
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from synthmill.runtime import metrics
from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.config import ONLY, ServiceConfig, load_config
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import FailedPrecondition, InvalidField, PermissionDenied, SynthmillError, Unavailable
from synthmill.runtime.health import Health, add_health
from synthmill.runtime.logs import set_up_logging
from synthmill.runtime.processes.siblings import Shared, Siblings
from synthmill.runtime.reporting.combining import SHARED
from synthmill.runtime.reporting.servicer import SERVICE as STATUS_SERVICE
from synthmill.runtime.reporting.servicer import Report, StatusServicer
from synthmill.runtime.security.guard import Guard
from synthmill.runtime.security.opening import listening_credentials, open_guard
from synthmill.runtime.security.roles import READING, Access, access_to
from synthmill.runtime.tracing.setting_up import set_up_tracing
from synthmill.runtime.tracing.setting_up import shut_down as shut_down_tracing
from synthmill.v1 import status_service_pb2_grpc

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
        described_as: full name of the service in the protos, if it answers to another.
    """

    service_name: str
    add: Callable[[Any, grpc.aio.Server], None]
    servicer: object
    reflected: bool = True
    quiet: bool = False
    shared: Mapping[str, Shared] = dataclasses.field(default_factory=dict)
    described_as: str = ""

    def access_to(self, method: str) -> Access:
        """Returns what a method asks of its callers, given its path."""
        return access_to(self.described_as or self.service_name, method.rpartition("/")[2])


@dataclasses.dataclass(frozen=True)
class Assembly:
    """The parts of a service.

    Attributes:
        mounts: what it answers for.
        start: run in order before it is ready.
        stop: run in order after the last call has ended.
        reports: what its parts know, for whoever asks how the service is doing.
    """

    mounts: Sequence[Mount]
    start: Sequence[Hook] = ()
    stop: Sequence[Hook] = ()
    reports: Sequence[Report] = ()


def run_service(config_class: type[C], build: Callable[[C, Drain], Assembly]) -> None:
    """Runs a service until SIGTERM or SIGINT; settings that cannot be met end it with status 2 before it begins.

    Args:
        config_class: the service's settings.
        build: puts its parts together; called inside the running event loop. Its errors are as `refusal_told` has them.
    """
    config = read_settings(config_class)
    set_up_logging(config.service, config.log_level)
    with refusal_told(config_class):
        if config.migrate == ONLY:
            _migrate(config)
        else:
            asyncio.run(serve(config, build))


@contextlib.contextmanager
def refusal_told(config_class: type[ServiceConfig]) -> Iterator[None]:
    """Ends the process with status 2 and a line that says why, should what its settings name not be there for it."""
    try:
        yield
    except (FailedPrecondition, InvalidField, PermissionDenied, Unavailable) as error:
        _end_for(config_class, error)


def _migrate(config: ServiceConfig) -> None:
    # Alembic takes a while to load, which a service without a database is spared.
    from synthmill.runtime.migrations import open_current

    open_current(config).dispose()


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
    # Before channels and methods are made, which look whether this process traces.
    set_up_tracing(config.service)
    assembly = _with_status(build(config, drain), config.service, siblings)
    guard = open_guard(config, siblings.number if siblings else None)
    server = grpc.aio.server(options=_options(config, shared_port=siblings is not None))
    health = _mount(server, assembly, config.service, drain, siblings, guard)
    # First of all, so that nothing is begun beside a service that has the port. With siblings the port is theirs, and
    # connections would be handed to this process before it can answer them.
    port = _listen(server, config) if siblings is None else 0
    metrics_port = metrics.start_endpoint(config.host, config.metrics_port)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, shut_down_tracing)
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


def _with_status(assembly: Assembly, service: str, siblings: Siblings | None) -> Assembly:
    servicer = StatusServicer(service, assembly.reports, siblings.number if siblings else 0)
    add = status_service_pb2_grpc.add_StatusServiceServicer_to_server
    mount = Mount(STATUS_SERVICE, add, servicer, quiet=True, shared=SHARED)
    return dataclasses.replace(assembly, mounts=[*assembly.mounts, mount])


def _mount(
    server: grpc.aio.Server,
    assembly: Assembly,
    service: str,
    drain: Drain,
    siblings: Siblings | None,
    guard: Guard,
) -> Health:
    # Whoever watches over a service needs no token for its health.
    health = Health()
    add_health(health, server, service)
    for mount in assembly.mounts:
        if siblings is not None:
            siblings.mount(mount)
        adapt = functools.partial(_adapt, mount, siblings, guard)
        mount.add(mount.servicer, ObservedServer(server, service, drain, quiet=mount.quiet, adapt=adapt))
    names = [mount.service_name for mount in assembly.mounts if mount.reflected]
    telling = reflection.aio.ReflectionServicer([*names, "grpc.health.v1.Health", reflection.SERVICE_NAME])
    asked = ObservedServer(server, service, drain, quiet=True, adapt=functools.partial(_guarded, guard))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(telling, asked)
    return health


def _guarded(guard: Guard, method: str, handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    return guard.before(method, READING, handler)


def _adapt(
    mount: Mount, siblings: Siblings | None, guard: Guard, method: str, handler: grpc.RpcMethodHandler
) -> grpc.RpcMethodHandler:
    """Returns what answers a method of a service: who is let in is asked first, then all processes if it is shared."""
    if siblings is not None:
        handler = siblings.adapt(mount, method, handler)
    return guard.before(method, mount.access_to(method), handler)


def _listen(server: grpc.aio.Server, config: ServiceConfig) -> int:
    address = f"{config.host}:{config.listen_port}"
    credentials = listening_credentials(config)
    return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)


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
        # Calls in flight end on the old connection. The greatest number means for ever.
        ("grpc.max_connection_age_ms", round(config.max_connection_age_s * 1000) or 2**31 - 1),
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
