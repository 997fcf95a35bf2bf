"""A service that tells how it is doing as a test has put it."""

from __future__ import annotations

import grpc

from synthmill.runtime.errors import SynthmillError
from synthmill.v1 import status_pb2, status_service_pb2_grpc
from synthmill.v1 import status_service_pb2 as pb


class FakeStatus(status_service_pb2_grpc.StatusServiceServicer):
    """The status of one service.

    Attributes:
        status: what it tells.
        error: what it raises instead; None for nothing.
    """

    def __init__(self, service: str) -> None:
        self.status = status_pb2.ServiceStatus(service=service, version="0.0.0")
        process = self.status.processes.add(pid=7, resident_bytes=150_000_000)
        process.start_time.GetCurrentTime()
        self.error: SynthmillError | None = None

    async def GetStatus(
        self, request: pb.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> status_pb2.ServiceStatus:
        """Returns the status."""
        if self.error is not None:
            raise self.error
        return self.status
