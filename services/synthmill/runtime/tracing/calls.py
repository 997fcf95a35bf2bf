"""Spans of calls, at the end that makes them and at the end that answers them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol, Self

import grpc

from synthmill.runtime.status import REQUEST_ID_KEY
from synthmill.runtime.tracing.parents import TRACER, api, extract, inject, parent_context
from synthmill.runtime.tracing.setting_up import is_on

# Looks at a job without being part of it; a loop does so every few seconds, for hours.
_LEFT_OUT = frozenset({"/synthmill.v1.JobService/WatchJob"})

_SYSTEM, _SERVICE, _METHOD, _CODE = "rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code"
_REQUEST_ID = "synthmill.request_id"

# What a server answers through no fault of its caller.
_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}

Single = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]
Stream = Callable[[Any, grpc.aio.ServicerContext], AsyncIterator[Any]]


class CallSpan(Protocol):
    """A call that is being made; it ends with a with block, or as `end_with` has it.

    Attributes:
        headers: go with the call, so that whoever answers it is part of the trace.
    """

    headers: Mapping[str, str]

    def end_with(self, call: grpc.Call) -> None:
        """Lets it end whenever a blocking call does, whether or not its answers are read to the end."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None: ...


class _NoSpan:
    """A call in a process that does not trace."""

    headers: Mapping[str, str] = MappingProxyType({})

    def end_with(self, call: grpc.Call) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass


class _ClientSpan:
    def __init__(self, trace: Any, method: str) -> None:
        self._trace = trace
        context = parent_context()
        self._span = trace.get_tracer(TRACER).start_span(
            method[1:], context, kind=trace.SpanKind.CLIENT, attributes=_attributes(method)
        )
        self.headers = inject(trace.set_span_in_context(self._span, context))

    def end_with(self, call: grpc.Call) -> None:
        if not call.add_callback(lambda: self._end(call.code())):
            self._end(call.code())

    def _end(self, code: grpc.StatusCode) -> None:
        self._span.set_attribute(_CODE, code.value[0])
        if code is not grpc.StatusCode.OK:
            self._span.set_status(self._trace.StatusCode.ERROR, code.name)
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        # An error of the tree knows its code; whatever else ends the block is that nobody waits any more.
        self._end(grpc.StatusCode.OK if error is None else getattr(error, "code", grpc.StatusCode.CANCELLED))


_NONE = _NoSpan()


def call_span(method: str) -> CallSpan:
    """Begins the span of a call that is made.

    Args:
        method: its path; gRPC gives it as bytes in places.
    """
    trace = api()
    if trace is None:
        return _NONE
    path = method.decode() if isinstance(method, bytes) else method
    return _NONE if path in _LEFT_OUT else _ClientSpan(trace, path)


def traced_single(method: str, behaviour: Single) -> Single:
    """Wraps a method with one answer in spans, if this process traces."""
    if not is_on() or method in _LEFT_OUT:
        return behaviour

    async def traced(request: Any, context: grpc.aio.ServicerContext) -> Any:
        with _answering(method, context) as attached, attached():
            return await behaviour(request, context)

    return traced


def traced_stream(method: str, behaviour: Stream) -> Stream:
    """Wraps a method with a stream of answers in spans, if this process traces."""
    if not is_on() or method in _LEFT_OUT:
        return behaviour

    async def traced(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        with _answering(method, context) as attached:
            async with contextlib.aclosing(behaviour(request, context)) as answers:
                while True:
                    # Only while an answer is made: a generator that nobody reads any more may be closed in another
                    # context, where this one cannot be put back.
                    with attached():
                        try:
                            answer = await anext(answers)
                        except StopAsyncIteration:
                            return
                    yield answer

    return traced


@contextlib.contextmanager
def _answering(method: str, context: grpc.aio.ServicerContext) -> Iterator[Callable[[], Any]]:
    """Begins the span of a call that is answered; yields what makes it the current one for a with block."""
    from opentelemetry import trace

    given = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    attributes = _attributes(method)
    if request_id := given.get(REQUEST_ID_KEY):
        attributes[_REQUEST_ID] = request_id
    span = trace.get_tracer(TRACER).start_span(
        method[1:], extract(given), kind=trace.SpanKind.SERVER, attributes=attributes
    )
    code = grpc.StatusCode.OK
    try:
        yield lambda: trace.use_span(span, record_exception=False, set_status_on_exception=False)
    except grpc.aio.AbortError:
        code = _told(context)
        raise
    except BaseException:
        code = grpc.StatusCode.CANCELLED
        raise
    finally:
        span.set_attribute(_CODE, code.value[0])
        if code in _FAULTS:
            span.set_status(trace.StatusCode.ERROR, context.details())
        span.end()


def _told(context: grpc.aio.ServicerContext) -> grpc.StatusCode:
    """Returns the code that a call was ended with."""
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else _CODES[code]


def _attributes(method: str) -> dict[str, str]:
    service, _, name = method[1:].partition("/")
    return {_SYSTEM: "grpc", _SERVICE: service, _METHOD: name}
