"""Answers StatusService for one process: what it knows of itself, and what the service's parts report."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from synthmill.runtime.metrics import active_calls
from synthmill.runtime.reporting.devices import read_devices
from synthmill.runtime.reporting.resident import descendants, resident_bytes
from synthmill.v1 import status_pb2, status_service_pb2_grpc
from synthmill.v1 import status_service_pb2 as pb

SERVICE = "synthmill.v1.StatusService"

Report = Callable[[status_pb2.ServiceStatus], Awaitable[None]]
"""Adds to a status what a part of the service knows."""


class StatusServicer(status_service_pb2_grpc.StatusServiceServicer):
    """StatusService of one process.

    Args:
        service: its name.
        reports: what its parts know.
        number: of the process among those behind the port.
    """

    def __init__(self, service: str, reports: Sequence[Report], number: int = 0) -> None:
        self._service = service
        self._reports = reports
        self._number = number
        self._started = Timestamp()
        self._started.GetCurrentTime()

    async def GetStatus(
        self, _request: pb.GetStatusRequest, _context: grpc.aio.ServicerContext
    ) -> status_pb2.ServiceStatus:
        """See the protos."""
        status = status_pb2.ServiceStatus(service=self._service, version=version("synthmill"))
        status.processes.append(self._process())
        # All but those that ask how the service is doing.
        calls = sum(count for method, count in active_calls().items() if not method.startswith(f"/{SERVICE}/"))
        status.gauges.add(name="active_calls", value=calls, unit="calls")
        for report in self._reports:
            await report(status)
        status.devices.extend(await asyncio.to_thread(read_devices))
        return status

    def _process(self) -> status_pb2.ServiceProcess:
        pid = os.getpid()
        return status_pb2.ServiceProcess(
            number=self._number,
            pid=pid,
            start_time=self._started,
            resident_bytes=resident_bytes(pid),
            worker_bytes=sum(map(resident_bytes, descendants(pid))),
        )
