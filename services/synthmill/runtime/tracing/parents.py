"""What a span that begins here belongs to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

TRACER = "synthmill"
# Of the propagated fields, those that are worth a place in the job table.
_KEPT = ("traceparent", "tracestate")

# What a process is all about, be it one job or one command: calls of any of its threads belong to it.
_whole: Any = None


def api() -> Any | None:
    """Returns OpenTelemetry's module of traces if somebody in this process uses it."""
    return sys.modules.get("opentelemetry.trace")


def belong_to(span: Any | None) -> None:
    """Makes a span that of the whole process; None if there is no longer one."""
    global _whole
    _whole = span


def parent_context() -> Any:
    """Returns the context for a new span: of the request that is being answered, else of the whole process."""
    from opentelemetry import context, trace

    current = context.get_current()
    if _whole is None or trace.get_current_span(current).get_span_context().is_valid:
        return current
    return trace.set_span_in_context(_whole, current)


def trace_id() -> str:
    """Returns the id of the trace that the current work is part of, 32 hex digits; empty if there is none."""
    trace = api()
    if trace is None:
        return ""
    found = trace.get_current_span(parent_context()).get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


def headers() -> dict[str, str]:
    """Returns what makes a later span of any process part of the current trace; empty if there is none."""
    if api() is None:
        return {}
    found = inject(parent_context())
    return {name: found[name] for name in _KEPT if name in found}


def inject(context: Any) -> dict[str, str]:
    """Returns a context as the headers that say it."""
    from opentelemetry import propagate

    found: dict[str, str] = {}
    propagate.inject(found, context)
    return found


def extract(given: Mapping[str, Any]) -> Any:
    """Returns the context that headers say."""
    from opentelemetry import context, propagate

    return propagate.extract(given, context.Context())
