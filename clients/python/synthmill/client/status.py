"""How the services are doing, each asked for itself and all at once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

from synthmill.client.endpoints import Endpoint
from synthmill.runtime.errors import DeadlineExceeded, SynthmillError, Unavailable
from synthmill.v1 import status_pb2
from synthmill.v1 import status_service_pb2 as pb
from synthmill.v1.status_service_pb2_grpc import StatusServiceStub

SERVING, NOT_SERVING, UNREACHABLE = "SERVING", "NOT_SERVING", "UNREACHABLE"

TIMEOUT_S = 3.0
"""Deadline of each service: whoever asks wants to see the others in any case."""


@dataclasses.dataclass(frozen=True)
class ServiceReport:
    """How a service is doing, or why that is not known.

    Attributes:
        service: its name.
        address: where it was asked.
        state: "SERVING"; "NOT_SERVING" if it answers with an error; "UNREACHABLE" if it does not answer.
        latency_s: time to the answer, in seconds.
        status: what it says; None if it does not serve.
        error: why it does not serve, in words; empty if it does.
    """

    service: str
    address: str
    state: str
    latency_s: float
    status: status_pb2.ServiceStatus | None = None
    error: str = ""


async def ask_all(endpoints: Mapping[str, Endpoint], timeout_s: float) -> list[ServiceReport]:
    """Asks all services at once and returns what came of it, in the order of the services.

    Args:
        endpoints: the services by name.
        timeout_s: deadline of each, in seconds.
    """
    reports: dict[str, ServiceReport] = {}

    async def ask(endpoint: Endpoint) -> None:
        reports[endpoint.service] = await _ask(endpoint, timeout_s)

    first, *_ = endpoints.values()
    await first.each(ask, endpoints.values(), len(endpoints))
    return [reports[service] for service in endpoints]


async def _ask(endpoint: Endpoint, timeout_s: float) -> ServiceReport:
    began = time.perf_counter()
    state, status, message = SERVING, None, ""
    try:
        status = await endpoint.unary(StatusServiceStub, "GetStatus", pb.GetStatusRequest(), timeout_s)
    except Unavailable as error:
        state, message = UNREACHABLE, error.message
    except DeadlineExceeded:
        message = f"{endpoint.service} at {endpoint.address} has not answered within {timeout_s:g} s"
        state = UNREACHABLE
    except SynthmillError as error:
        state, message = NOT_SERVING, error.message
    return ServiceReport(endpoint.service, endpoint.address, state, time.perf_counter() - began, status, message)
