"""A collector of OpenTelemetry traces on a free port of the loopback interface, which keeps what it is sent."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.toys import SEARCH_PATH


@dataclasses.dataclass(frozen=True)
class Collected:
    """A span as it was sent.

    Attributes:
        service: which sent it: "synthmill-catalog".
        name: of the span.
        kind: "CLIENT", "SERVER" or "INTERNAL".
        trace: id of its trace.
        id: of the span.
        parent: id of the span that it is part of; empty if of none.
        failed: whether it is marked as an error.
        attributes: by name.
    """

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, str | int]


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps spans.

    Attributes:
        address: "host:port".
        env: environment variables that let a process send its traces here.
    """

    def __init__(self) -> None:
        self._spans: list[Collected] = []
        self._lock = threading.Lock()
        self.address = ""

    @property
    def env(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.address}", "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def Export(
        self, request: pb.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> pb.ExportTraceServiceResponse:
        """Takes spans."""
        found = [
            _collected(_values(sent.resource.attributes)["service.name"], span)
            for sent in request.resource_spans
            for scope in sent.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self._spans += found
        return pb.ExportTraceServiceResponse()

    def spans(self) -> list[Collected]:
        """Returns what has come so far."""
        with self._lock:
            return list(self._spans)


@contextlib.contextmanager
def running_collector() -> Iterator[Collector]:
    """Runs a collector for the length of a with block."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def without_packages(folder: Path) -> dict[str, str]:
    """Returns environment variables that let a process not find OpenTelemetry."""
    shadow = folder / "shadow"
    shadow.mkdir()
    (shadow / "opentelemetry.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'opentelemetry'\", name='opentelemetry')\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(shadow), SEARCH_PATH])}


def _collected(service: str, span: Span) -> Collected:
    return Collected(
        service,
        span.name,
        Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.status.code == span.status.STATUS_CODE_ERROR,
        _values(span.attributes),
    )


def _values(attributes: list[KeyValue]) -> dict[str, str | int]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
