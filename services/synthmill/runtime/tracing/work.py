"""Spans of what a process is all about: a job with its phases, or a command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from synthmill.runtime.tracing.parents import TRACER, belong_to, extract
from synthmill.runtime.tracing.setting_up import is_on


class WorkSpan:
    """What a process is at; does nothing in a process that does not trace.

    Args:
        span: OpenTelemetry's; None if there is none.
    """

    def __init__(self, span: Any | None = None) -> None:
        self._span = span
        self._phase = ""
        self._phase_span: Any | None = None

    def enter(self, phase: str) -> None:
        """Begins the span of a phase, and ends that of the one before; what else begins then is part of it."""
        if self._span is None or phase == self._phase:
            return
        from opentelemetry import trace

        self._end_phase()
        within = trace.set_span_in_context(self._span)
        self._phase, self._phase_span = phase, trace.get_tracer(TRACER).start_span(phase, within) if phase else None
        belong_to(self._phase_span or self._span)

    def fail(self, reason: str) -> None:
        """Marks it as failed."""
        if self._span is not None:
            from opentelemetry import trace

            self._span.set_status(trace.StatusCode.ERROR, reason)

    def end(self) -> None:
        """Ends it, and its phase."""
        if self._span is not None:
            self._end_phase()
            belong_to(None)
            self._span.end()

    def _end_phase(self) -> None:
        if self._phase_span is not None:
            self._phase_span.end()
            self._phase_span = None


@contextlib.contextmanager
def work_span(name: str, given: Mapping[str, str], attributes: Mapping[str, Any]) -> Iterator[WorkSpan]:
    """Makes what a process does in the with block one span, that all its calls are part of.

    Args:
        name: of the span.
        given: headers of the trace that it goes on with; empty begins another.
        attributes: of the span.
    """
    span = WorkSpan(_begin(name, given, attributes) if is_on() else None)
    try:
        yield span
    finally:
        span.end()


def _begin(name: str, given: Mapping[str, str], attributes: Mapping[str, Any]) -> Any:
    from opentelemetry import trace

    span = trace.get_tracer(TRACER).start_span(name, extract(given), attributes=dict(attributes))
    belong_to(span)
    return span
