"""Prometheus metrics that every service has, and their endpoint."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server

REQUESTS = Counter("synthmill_requests", "Calls that have ended.", ["service", "method", "code"])
REQUEST_SECONDS = Histogram("synthmill_request_seconds", "Duration of a call, streams included.", ["service", "method"])
ACTIVE_CALLS = Gauge("synthmill_active_calls", "Calls in progress.", ["service", "method"])
JOBS_ENDED = Counter("synthmill_jobs", "Attempts at jobs that have ended.", ["service", "type", "outcome"])
JOBS_RUNNING = Gauge("synthmill_jobs_running", "Jobs that a worker is at.", ["service", "type"])
STORE_SECONDS = Histogram(
    "synthmill_store_seconds", "Time until a file of the store was put, opened, found or removed.", ["operation"]
)
STORE_BYTES = Counter("synthmill_store_bytes", "Bytes put into the store, and read from it.", ["operation"])
STORE_FAILURES = Counter("synthmill_store_failures", "Operations of the store that failed.", ["operation"])
DATABASE_SECONDS = Histogram("synthmill_database_seconds", "Time of a statement, waiting for its turn included.")
DATABASE_FAILURES = Counter("synthmill_database_failures", "Statements that failed for want of the database.")


def active_calls() -> dict[str, float]:
    """Returns how many calls of this process are in progress, by method."""
    samples = [sample for metric in ACTIVE_CALLS.collect() for sample in metric.samples]
    return {sample.labels["method"]: sample.value for sample in samples}


def start_endpoint(host: str, port: int, registry: CollectorRegistry = REGISTRY) -> int | None:
    """Serves metrics, by default those of this process, over HTTP and returns the port; -1 serves nothing."""
    if port == -1:
        return None
    server, _thread = start_http_server(port, addr=host, registry=registry)
    return server.server_port
