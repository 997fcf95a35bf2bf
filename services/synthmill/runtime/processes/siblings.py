"""The processes behind one port reach one another, so that a call may mean the service instead of one of them.

Each listens on a Unix socket of its own in a folder that only their user may enter. A method that is declared as
`Shared` asks all of them, the one that took the call included, and makes one answer of theirs. What comes in through
the Unix socket is for that process alone, so nothing is passed on twice. A process that is not there has no say: it
begins again with nothing in memory.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message

from synthmill.runtime.calls import REQUEST_ID_KEY, Call
from synthmill.runtime.errors import SynthmillError, Unavailable
from synthmill.runtime.status import from_rpc_error

if TYPE_CHECKING:
    from synthmill.runtime.service import Mount

_MAX_MESSAGE_BYTES = 64 * 1024 * 1024
_OPTIONS = [
    *((f"grpc.max_{way}_message_length", _MAX_MESSAGE_BYTES) for way in ("send", "receive")),
    # A channel that has seen its process die refuses to try again for a while, and would hand that on to the next one.
    ("grpc.use_local_subchannel_pool", 1),
]

logger = logging.getLogger(__name__)

Behaviour = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]


@dataclasses.dataclass(frozen=True)
class Shared:
    """A method with one answer that means the service, whichever process takes the call.

    Attributes:
        answer: class of its answers.
        combine: makes one answer of those of several processes, the one that took the call first.
        everywhere: whether an error of one process is the call's; else it is only if no process has an answer.
    """

    answer: type[Message]
    combine: Callable[[Sequence[Any]], Any]
    everywhere: bool = False


class Siblings:
    """The processes behind the port of this one.

    Attributes:
        folder: a folder that all of them can use and nobody else; gone when the service is.
        number: of this process, from 0.

    Args:
        folder: the folder.
        number: the same number.
        count: of the processes.
    """

    def __init__(self, folder: Path, number: int, count: int) -> None:
        self.folder = folder
        self.number = number
        self._others = [other for other in range(count) if other != number]
        self._private = _PrivateHandler()
        self._server: grpc.aio.Server | None = None

    def add(self, method: str, behaviour: Callable[[], Awaitable[bytes]]) -> None:
        """Answers a method for those who share the folder; it takes nothing and returns bytes."""

        async def answered(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
            return await behaviour()

        self._private.add(method, grpc.unary_unary_rpc_method_handler(answered))

    def mount(self, mount: Mount) -> None:
        """Answers the shared methods of a service for the other processes."""
        mount.add(mount.servicer, _PrivateServer(self._private, mount.shared))

    def adapt(self, mount: Mount, method: str, handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
        """Returns what answers a method of a service for everybody: asks all processes if the method is shared."""
        shared = mount.shared.get(_name(method))
        if shared is None:
            return handler
        return handler._replace(unary_unary=self._whole(method, handler.unary_unary, shared))

    async def ask(self, method: str, request: bytes = b"", timeout_s: float | None = None) -> list[bytes]:
        """Calls a method of the other processes and returns the answers of those that have one.

        Args:
            method: path of the method.
            request: serialised.
            timeout_s: how long to wait for them; None means until they have ended.
        """
        return list((await ask_all(self.folder, self._others, method, request, timeout_s)).values())

    async def start(self) -> None:
        """Begins to answer the other processes."""
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self._private,))
        self._server.add_insecure_port(_address(self.folder, self.number))
        await self._server.start()

    async def stop(self) -> None:
        """Ends answering them."""
        if self._server is not None:
            await self._server.stop(0)

    def _whole(self, method: str, own: Behaviour, shared: Shared) -> Behaviour:
        async def answered(request: Message, context: grpc.aio.ServicerContext) -> Any:
            metadata = [pair for pair in context.invocation_metadata() or () if pair[0] == REQUEST_ID_KEY]
            given = (method, request.SerializeToString(), context.time_remaining(), metadata)
            others = (self._answer_of(other, shared, *given) for other in self._others)
            mine, *theirs = await asyncio.gather(*map(_outcome, (own(request, context), *others)))
            reached = [outcome for outcome in theirs if not isinstance(outcome, Unavailable)]
            return _combined([mine, *reached], shared)

        return answered

    async def _answer_of(self, other: int, shared: Shared, *given: Any) -> Message:
        return shared.answer.FromString(await _ask(self.folder, other, *given))


async def ask_all(
    folder: Path, numbers: Sequence[int], method: str, request: bytes = b"", timeout_s: float | None = None
) -> dict[int, bytes]:
    """Calls a method of processes that share a folder, and returns the answers of those that have one, by number."""
    outcomes = await asyncio.gather(*(_outcome(_ask(folder, number, method, request, timeout_s)) for number in numbers))
    found = zip(numbers, outcomes, strict=True)
    return {number: outcome for number, outcome in found if not isinstance(outcome, SynthmillError)}


async def _ask(
    folder: Path,
    number: int,
    method: str,
    request: bytes,
    timeout_s: float | None,
    metadata: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Calls a method of one process; raises `Unavailable` if it is not there, else what it answers."""
    async with grpc.aio.insecure_channel(_address(folder, number), options=_OPTIONS) as channel:
        try:
            return await channel.unary_unary(method)(request, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            told = from_rpc_error(error)
            if isinstance(told, Unavailable):
                logger.info("process %d has no say in %s: %s", number, method, told)
            raise told from error


class _PrivateHandler(grpc.GenericRpcHandler):
    """Answers methods for this process alone."""

    def __init__(self) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler] = {}

    def add(self, method: str, handler: grpc.RpcMethodHandler) -> None:
        """Adds a method with one answer."""

        async def answered(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                return await handler.unary_unary(request, context)
            except Exception as error:
                await Call(context).abort(method, error)

        self._handlers[method] = handler._replace(unary_unary=answered)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Returns the handler of a method."""
        return self._handlers.get(handler_call_details.method)


class _PrivateServer:
    """Takes the place of a server where handlers are added to it, and keeps those of shared methods."""

    def __init__(self, private: _PrivateHandler, shared: Mapping[str, Shared]) -> None:
        self._private = private
        self._shared = shared

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Does nothing: the handlers come once more, by method."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler]) -> None:
        """Keeps the handlers of shared methods."""
        for name in self._shared:
            self._private.add(f"/{service}/{name}", handlers[name])


async def _outcome(asked: Awaitable[Any]) -> Any:
    """Waits for an answer and returns it, or its error."""
    try:
        return await asked
    except SynthmillError as error:
        return error


def _combined(outcomes: Sequence[Any], shared: Shared) -> Any:
    """Makes one answer of what several processes came to; raises an error of theirs if that is the call's."""
    errors = [outcome for outcome in outcomes if isinstance(outcome, SynthmillError)]
    answers = [outcome for outcome in outcomes if not isinstance(outcome, SynthmillError)]
    if errors and (shared.everywhere or not answers):
        raise errors[0]
    return shared.combine(answers)


def _name(method: str) -> str:
    return method.rpartition("/")[2]


def _address(folder: Path, number: int) -> str:
    return f"unix:{folder / str(number)}.sock"
