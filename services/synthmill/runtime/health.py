"""The health of a service, as gRPC's own protocol tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthmill.runtime.calls import ObservedServer
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import NotFound

Status = health_pb2.HealthCheckResponse.ServingStatus
Answer = health_pb2.HealthCheckResponse
Context = grpc.aio.ServicerContext


class Health(health_pb2_grpc.HealthServicer):
    """Answers for the health of each name that a process serves under; "" is the process as a whole.

    It stands where `grpc_health.v1.health.aio.HealthServicer` might, whose faults are told and logged as those of gRPC,
    and which has no `List`.
    """

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {"": Answer.SERVING}
        self._changed = asyncio.Condition()
        self._ending = False

    async def set(self, service: str, status: Status) -> None:
        """Sets the status of a name; once the shutdown has begun, nothing changes any more."""
        if not self._ending:
            await self._set({service: status})

    async def enter_graceful_shutdown(self) -> None:
        """Sets the status of all names to NOT_SERVING, for good."""
        self._ending = True
        await self._set(dict.fromkeys(self._statuses, Answer.NOT_SERVING))

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Answer:
        status = self._statuses.get(request.service)
        if status is None:
            names = ", ".join(filter(None, self._statuses))
            raise NotFound("service: this process serves none of that name", value=request.service, allowed=names)
        return Answer(status=status)

    async def List(self, request: health_pb2.HealthListRequest, context: Context) -> health_pb2.HealthListResponse:
        answers = {name: Answer(status=status) for name, status in self._statuses.items()}
        return health_pb2.HealthListResponse(statuses=answers)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> AsyncIterator[Answer]:
        def status() -> Status:
            return self._statuses.get(request.service, Answer.SERVICE_UNKNOWN)

        while True:
            told = status()
            yield Answer(status=told)
            async with self._changed:
                await self._changed.wait_for(lambda told=told: status() != told)

    async def _set(self, statuses: dict[str, Status]) -> None:
        async with self._changed:
            self._statuses.update(statuses)
            self._changed.notify_all()


def add_health(health: Health, server: grpc.aio.Server, service: str) -> None:
    """Adds the health of a service to its server: to be asked by anybody, and while the service drains too."""
    health_pb2_grpc.add_HealthServicer_to_server(health, ObservedServer(server, service, Drain(), quiet=True))
