"""What happens around every call on the server: request id, metrics, drain, errors."""

from __future__ import annotations

import contextlib
import errno
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc

from synthmill.runtime import metrics
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import Internal, ResourceExhausted, SynthmillError, Unavailable
from synthmill.runtime.logs import log_context
from synthmill.runtime.status import DETAILS_KEY, to_details

REQUEST_ID_KEY = "x-request-id"

logger = logging.getLogger(__name__)

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of our own services, the iteration of streamed answers included.

    Args:
        service: name of the service in metrics.
        drain: once it has begun, new calls are refused.
    """

    def __init__(self, service: str, drain: Drain) -> None:
        self._service = service
        self._drain = drain

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Returns the method's handler, wrapped; gRPC's own services are left as they are."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith("/grpc."):
            return handler
        call = _Call(self._service, self._drain, handler_call_details)
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        wrapped = call.streamed(behaviour) if handler.response_streaming else call.single(behaviour)
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(wrapped, handler.request_deserializer, handler.response_serializer)


class _Call:
    """One call of one method."""

    def __init__(self, service: str, drain: Drain, details: grpc.HandlerCallDetails) -> None:
        self._service = service
        self._drain = drain
        self._method = details.method
        self._request_id = dict(details.invocation_metadata).get(REQUEST_ID_KEY) or uuid.uuid4().hex
        self._code = grpc.StatusCode.CANCELLED

    def single(self, behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        """Wraps a method with one answer."""

        async def wrapped(request: Any, context: grpc.aio.ServicerContext) -> Any:
            with self._observed():
                try:
                    self._refuse_when_draining()
                    answer = await behaviour(request, context)
                except Exception as error:
                    await self._abort(context, error)
                self._code = grpc.StatusCode.OK
                return answer

        return wrapped

    def streamed(self, behaviour: Callable[[Any, Any], AsyncIterator[Any]]) -> Callable[[Any, Any], AsyncIterator[Any]]:
        """Wraps a method with a stream of answers."""

        async def wrapped(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            with self._observed():
                try:
                    self._refuse_when_draining()
                    # Closing frees what the method holds as soon as the client is gone, not when memory is collected.
                    async with contextlib.aclosing(behaviour(request, context)) as answers:
                        async for answer in answers:
                            yield answer
                except Exception as error:
                    await self._abort(context, error)
                self._code = grpc.StatusCode.OK

        return wrapped

    @contextlib.contextmanager
    def _observed(self) -> Iterator[None]:
        labels = (self._service, self._method)
        started = time.perf_counter()
        with metrics.ACTIVE_CALLS.labels(*labels).track_inprogress():
            try:
                yield
            finally:
                elapsed_s = time.perf_counter() - started
                metrics.REQUESTS.labels(*labels, self._code.name).inc()
                metrics.REQUEST_SECONDS.labels(*labels).observe(elapsed_s)
                with log_context(request_id=self._request_id):
                    logger.info("%s %s in %.1f ms", self._method, self._code.name, elapsed_s * 1000)

    def _refuse_when_draining(self) -> None:
        if self._drain.draining:
            raise Unavailable("the service is shutting down; try again, on another replica if there is one")

    async def _abort(self, context: grpc.aio.ServicerContext, error: Exception) -> None:
        if isinstance(error, grpc.aio.AbortError):
            raise error
        told = self._as_told(error)
        self._code = told.code
        details = ((DETAILS_KEY, to_details(told)), (REQUEST_ID_KEY, self._request_id))
        await context.abort(told.code, told.message, details)

    def _as_told(self, error: Exception) -> SynthmillError:
        """Returns what the caller may know: our own errors as they are, any other without its details."""
        if isinstance(error, SynthmillError):
            return error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ResourceExhausted(f"the disk is full ({error.strerror})")
        with log_context(request_id=self._request_id):
            logger.error("%s failed", self._method, exc_info=error)
        return Internal(f"a fault of the service; its log has the details under request id {self._request_id}")
