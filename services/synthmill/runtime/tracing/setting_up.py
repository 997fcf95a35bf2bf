"""Switches tracing on for a process, by OpenTelemetry's environment variables."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from synthmill.runtime.errors import FailedPrecondition, InvalidField

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTER = "OTEL_TRACES_EXPORTER"
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OTLP, _NO_EXPORTER, _GRPC = "otlp", "none", "grpc"

# A collector that is away must not keep a process from ending.
_SHUT_DOWN_WITHIN_S = 3.0

_provider: Any = None


def is_on() -> bool:
    """Tells whether this process sends traces."""
    return _provider is not None


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Tells whether the environment asks for traces: by an endpoint, or by an exporter.

    Raises:
        InvalidField: it asks for an exporter or a protocol that there is no support for.
    """
    exporter = environ.get(EXPORTER, "")
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == _NO_EXPORTER:
        return False
    if exporter not in ("", _OTLP):
        raise InvalidField(EXPORTER, exporter, f"{_OTLP} or {_NO_EXPORTER}")
    if not exporter and not any(environ.get(name) for name in ENDPOINTS):
        return False
    for name in _PROTOCOLS:
        if environ.get(name, _GRPC) not in ("", _GRPC):
            raise InvalidField(name, environ[name], _GRPC)
    return True


def set_up_tracing(service: str) -> bool:
    """Switches tracing on if the environment asks for it, and tells whether it did.

    Args:
        service: name of the service; OTEL_SERVICE_NAME comes before it.

    Raises:
        FailedPrecondition: what it needs is not installed.
        InvalidField: as `is_wanted`.
    """
    global _provider
    if _provider is None and is_wanted(os.environ):
        try:
            _provider = _make_provider(service)
        except ModuleNotFoundError as error:
            asked = next(name for name in (*ENDPOINTS, EXPORTER) if os.environ.get(name))
            raise FailedPrecondition(
                f"{asked}: traces need {error.name}, which is not installed: pip install 'synthmill[tracing]'",
                field=asked,
                package=str(error.name),
            ) from None
    return is_on()


def shut_down() -> None:
    """Sends the spans that have ended and switches tracing off; waits for three seconds at most."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        thread = threading.Thread(target=provider.shutdown, daemon=True)
        thread.start()
        thread.join(_SHUT_DOWN_WITHIN_S)


def _make_provider(service: str) -> Any:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    ours = Resource.create({SERVICE_NAME: f"synthmill-{service}", SERVICE_VERSION: version("synthmill")})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
