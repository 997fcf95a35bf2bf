"""Ends with status 0 if a service says that it serves, else with 1. Usage: healthcheck.py [HOST:PORT]

Without an address it asks where the service that $SERVICE names listens by default, in this container. To one that
listens with TLS it shows what the service shows to others: its certificate must be for 127.0.0.1 too.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping

from grpc_health.v1 import health_pb2, health_pb2_grpc

from synthmill.runtime.addresses import default_address
from synthmill.runtime.channels import connect_sync
from synthmill.runtime.credentials import Credentials
from synthmill.runtime.errors import SynthmillError

TIMEOUT_S = 3.0


def credentials(environ: Mapping[str, str]) -> Credentials:
    """Returns what the service is shown; health needs no token."""
    if not environ.get("SYNTHMILL_TLS_CERTIFICATE"):
        return Credentials()
    return dataclasses.replace(Credentials.from_environment(environ), token_file="")


def main(arguments: list[str]) -> int:
    """Asks the service and prints what it answers."""
    address = arguments[0] if arguments else default_address(os.environ["SERVICE"])
    with connect_sync(address, credentials(os.environ)) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except SynthmillError as error:
            print(f"{address}: {error.code.name}")
            return 1
    print(f"{address}: {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}")
    return 0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
