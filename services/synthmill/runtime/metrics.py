"""Prometheus metrics that every service has, and their endpoint."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

REQUESTS = Counter("synthmill_requests", "Calls that have ended.", ["service", "method", "code"])
REQUEST_SECONDS = Histogram("synthmill_request_seconds", "Duration of a call, streams included.", ["service", "method"])
ACTIVE_CALLS = Gauge("synthmill_active_calls", "Calls in progress.", ["service", "method"])
JOBS_ENDED = Counter("synthmill_jobs", "Attempts at jobs that have ended.", ["service", "type", "outcome"])
JOBS_RUNNING = Gauge("synthmill_jobs_running", "Jobs that a worker is at.", ["service", "type"])


def start_endpoint(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> int | None:
    """Serves metrics, by default those of this process, over HTTP and returns the port; -1 serves nothing."""
    if port == -1:
        return None
    server, _thread = start_http_server(port, addr=host, registry=registry)
    return server.server_port
