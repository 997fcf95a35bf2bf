"""Stands before every method: who calls, may they, what does it take, and what is written down about it."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message

from synthmill.runtime.calls import REQUEST_ID_KEY
from synthmill.runtime.errors import PermissionDenied, SynthmillError, Unauthenticated
from synthmill.runtime.security.audit import AuditLog
from synthmill.runtime.security.principals import BYTES, Principal, act_as
from synthmill.runtime.security.quotas import Quotas
from synthmill.runtime.security.roles import Access
from synthmill.runtime.security.tokens import Tokens

_RESOURCE = re.compile(r"(datasets|models|policies|evaluations|loops|jobs)/[^\s]{1,200}")
_ANYBODY = Principal("")

logger = logging.getLogger(__name__)


class Guard:
    """What a service asks of its callers.

    Args:
        tokens: in the order in which they are asked; without any, everybody may call everything.
        quotas: what tenants may take; None means any amount.
        audit: where calls that change something are written down; None means nowhere.
    """

    def __init__(self, tokens: Sequence[Tokens] = (), quotas: Quotas | None = None, audit: AuditLog | None = None):
        self._tokens = tokens
        self._quotas = quotas
        self._audit = audit

    @property
    def idle(self) -> bool:
        """Whether nothing is asked of anybody."""
        return not self._tokens and self._audit is None

    def before(self, method: str, access: Access, handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
        """Returns what answers a method in place of a handler.

        Args:
            method: path of the method.
            access: what it asks for.
            handler: answers those who are let in.
        """
        if self.idle:
            return handler
        checked = _Checked(self, method, access)
        kind = _kind(handler)
        wrap = checked.streamed if handler.response_streaming else checked.single
        return handler._replace(**{kind: wrap(getattr(handler, kind))})

    def admit(self, method: str, access: Access, context: grpc.aio.ServicerContext) -> Principal:
        """Returns who calls.

        Raises:
            Unauthenticated: there is no token, or it stands for nobody.
            PermissionDenied: the caller has not the role, or the tenant is not served here.
            QuotaExceeded: nothing is left for the tenant.
        """
        if not self._tokens:
            return _ANYBODY
        principal = self._principal(context)
        if not principal.roles & access.roles:
            raise PermissionDenied(f"{principal.subject!r} has no role that may call {method}", method=method)
        if self._quotas:
            self._quotas.admit(principal)
        return principal

    def begin(self, principal: Principal) -> None:
        """Says who the task answers from here on."""
        act_as(principal, self._quotas)

    def take(self, principal: Principal, message: Any) -> None:
        """Books the bytes of a message."""
        if self._quotas:
            self._quotas.take(principal, BYTES, _size(message))

    def check(self, principal: Principal) -> None:
        """Lets a stream go on; raises as `admit` if it may no longer."""
        if self._quotas:
            self._quotas.admit(principal)

    async def write(self, entry: dict[str, Any]) -> None:
        """Writes an entry into the audit log, if there is one."""
        if self._audit:
            await self._audit.add(entry)

    def _principal(self, context: grpc.aio.ServicerContext) -> Principal:
        given = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
        if len(given) != 1 or not isinstance(given[0], str) or not given[0].lower().startswith("bearer "):
            raise Unauthenticated("the call needs one bearer token in the metadata `authorization`")
        token = given[0][len("bearer ") :].strip()
        refusal = Unauthenticated("the token is not known")
        for tokens in self._tokens:
            try:
                return tokens.find(token)
            except Unauthenticated as error:
                refusal = error
        raise refusal


class _Checked:
    """One method: what stands before each of its calls."""

    def __init__(self, guard: Guard, method: str, access: Access) -> None:
        self._guard = guard
        self._method = method
        self._access = access

    def single(self, behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        """Wraps a method with one answer."""

        async def checked(request: Any, context: grpc.aio.ServicerContext) -> Any:
            principal = await self._enter(context)
            async with self._recorded(principal, request, context):
                answer = await behaviour(self._counted(principal, request), context)
                self._guard.take(principal, answer)
                return answer

        return checked

    def streamed(self, behaviour: Callable[[Any, Any], AsyncIterator[Any]]) -> Callable[[Any, Any], AsyncIterator[Any]]:
        """Wraps a method with a stream of answers."""

        async def checked(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            principal = await self._enter(context)
            async with (
                self._recorded(principal, request, context),
                contextlib.aclosing(behaviour(self._counted(principal, request), context)) as answers,
            ):
                # Before each answer instead of after it: a stream that took the last of a quota has ended well.
                async for answer in answers:
                    self._guard.check(principal)
                    self._guard.take(principal, answer)
                    yield answer

        return checked

    async def _enter(self, context: grpc.aio.ServicerContext) -> Principal:
        try:
            principal = self._guard.admit(self._method, self._access, context)
        except SynthmillError as refusal:
            logger.warning("%s refused to %s: %s", self._method, context.peer(), refusal.message)
            if self._access.changes:
                await self._guard.write({**self._who(_ANYBODY, context), "event": "refused", "code": refusal.code.name})
            raise
        self._guard.begin(principal)
        return principal

    @contextlib.asynccontextmanager
    async def _recorded(
        self, principal: Principal, request: Any, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[None]:
        """Writes down that a call that changes something begins, and how it ended."""
        if not self._access.changes:
            yield
            return
        who = self._who(principal, context)
        # Before anything is changed: what cannot be written down is not done.
        await self._guard.write({**who, "event": "began", **_told(request)})
        code = grpc.StatusCode.CANCELLED
        try:
            yield
            code = grpc.StatusCode.OK
        except SynthmillError as error:
            code = error.code
            raise
        except Exception:
            code = grpc.StatusCode.INTERNAL
            raise
        finally:
            await self._guard.write({**who, "event": "ended", "code": code.name})

    def _who(self, principal: Principal, context: grpc.aio.ServicerContext) -> dict[str, Any]:
        metadata = dict(context.invocation_metadata() or ())
        return {
            "method": self._method,
            "subject": principal.subject,
            "tenant": principal.tenant,
            "peer": context.peer(),
            "request_id": str(metadata.get(REQUEST_ID_KEY, "")),
        }

    def _counted(self, principal: Principal, request: Any) -> Any:
        """Returns a request, or a stream of them, whose bytes are booked as they are read."""
        if isinstance(request, AsyncIterator):
            return self._read(principal, request)
        self._guard.take(principal, request)
        return request

    async def _read(self, principal: Principal, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._guard.check(principal)
            self._guard.take(principal, request)
            yield request


def _told(request: Any) -> dict[str, Any]:
    """Returns what is written down about a request: the resources that it names, and what it was, by its digest."""
    if not isinstance(request, Message):
        return {}
    texts = [value for _field, value in request.ListFields() if isinstance(value, str)]
    content = request.SerializeToString(deterministic=True)
    return {
        "resources": [text for text in texts if _RESOURCE.fullmatch(text)],
        "request_sha256": hashlib.sha256(content).hexdigest(),
    }


def _size(message: Any) -> int:
    """Returns the bytes of a message, of one that is bytes already, or of one that was read without protobuf."""
    if isinstance(message, Message):
        return message.ByteSize()
    return len(message) if isinstance(message, bytes) else message.size


def _kind(handler: grpc.RpcMethodHandler) -> str:
    """Returns the name of the field of a handler that answers."""
    ways = {True: "stream", False: "unary"}
    return f"{ways[handler.request_streaming]}_{ways[handler.response_streaming]}"
