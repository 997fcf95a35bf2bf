"""What handlers of jobs share that make versions: the catalog, asked patiently, and one published version for a job."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from synthmill.runtime.channels import connect_sync
from synthmill.runtime.errors import DeadlineExceeded, Overloaded, Unavailable
from synthmill.runtime.jobs.context import JobContext
from synthmill.v1 import catalog_service_pb2_grpc

T = TypeVar("T")

_DEADLINE_S = 60.0
# The catalog reads all files of a version before it publishes it.
_PUBLICATION_DEADLINE_S = 900.0
_PUBLICATION = "publication.binpb"
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0

logger = logging.getLogger(__name__)


class Request(Protocol):
    """A message."""

    def SerializeToString(self) -> bytes: ...


class Catalog:
    """Asks the catalog service, patiently: a job outlives its restarts.

    Args:
        stub: of the service.
        context: of the job that asks.
    """

    def __init__(self, stub: catalog_service_pb2_grpc.CatalogServiceStub, context: JobContext) -> None:
        self._stub, self._context = stub, context

    def ask(self, method: str, request: Any, deadline_s: float = _DEADLINE_S) -> Any:
        """Returns the answer to a request that may be repeated.

        Args:
            method: of CatalogService.
            deadline_s: of each try.

        Raises:
            SynthmillError: whatever the catalog answers, or that it was away for too long.
        """
        call = getattr(self._stub, method)
        patience_s = self._context.config.catalog_patience_s
        return ask_patiently(lambda: call(request, timeout=deadline_s), patience_s, self._context.check)


def publish_once(context: JobContext, method: str, make: Callable[[Catalog], Request], request_class: type) -> str:
    """Publishes what a job makes and returns the version's name; goes on where an earlier attempt ended.

    Args:
        context: of the job.
        method: of CatalogService that publishes.
        make: does the work and puts its files into the store; not called again once it has returned.
        request_class: of the messages that it returns.
    """
    with connect_sync(context.config.catalog_address, context.config.credentials) as channel:
        catalog = Catalog(catalog_service_pb2_grpc.CatalogServiceStub(channel), context)
        publication = context.scratch / _PUBLICATION
        if not publication.exists():
            write_durably(publication, make(catalog).SerializeToString())
        # The catalog may have published in answer to an earlier attempt that died before it heard of it: the same
        # bytes under the same request_id get the same answer.
        request = request_class.FromString(publication.read_bytes())
        return catalog.ask(method, request, _PUBLICATION_DEADLINE_S).name


def publication_id(context: JobContext) -> str:
    """Returns the request_id under which a job publishes, the same for every attempt."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, context.name))


def write_durably(path: Path, data: bytes) -> None:
    """Writes a file that is there whole, and on the disk, or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def ask_patiently(ask: Callable[[], T], patience_s: float, check: Callable[[], None]) -> T:
    """Returns an answer, asking again while the service cannot be reached or is overloaded.

    Args:
        ask: a call that may be repeated.
        patience_s: how long to go on, in seconds.
        check: called before every attempt; raises to stop.

    Raises:
        Unavailable: it could not be reached for so long.
        DeadlineExceeded: nor did it answer in time.
        Overloaded: it had too much to do for so long.
    """
    give_up, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        check()
        try:
            return ask()
        except (Unavailable, DeadlineExceeded, Overloaded) as error:
            if time.monotonic() + pause_s > give_up:
                raise
            logger.warning("asking again in %.1f s: %s", pause_s, error)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
