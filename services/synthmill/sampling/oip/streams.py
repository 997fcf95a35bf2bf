"""Answers the requests of a stream in their order, beginning with the next ones while the first is being sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import SynthmillError, Unavailable
from synthmill.sampling.oip.inference import Replies
from synthmill.sampling.oip.responses import to_error

Begin = Callable[[pb.ModelInferRequest], Awaitable[Replies]]

# Requests that are begun before their turn: enough that small ones are computed together. A larger one is alone, so
# that a client that does not read costs little.
AHEAD = 8
_SMALL_REQUEST_BYTES = 1 << 16

_Begun = tuple[pb.ModelInferRequest, asyncio.Task[Replies]]


async def answer_in_order(
    requests: AsyncIterator[pb.ModelInferRequest], begin: Begin, drain: Drain, *, in_band: bool
) -> AsyncIterator[bytes]:
    """Yields the serialised responses to requests, all of one request before those of the next.

    Args:
        requests: as they come from the client.
        begin: begins to answer one.
        drain: once it has begun, no more requests are taken.
        in_band: whether an error is a response, after which the stream goes on, or the end of the stream.

    Raises:
        Unavailable: the service drains; what had been begun has been answered.
        SynthmillError: a request has failed, and errors are not in-band.
    """
    begun: asyncio.Queue[_Begun | None] = asyncio.Queue(AHEAD)
    reading = asyncio.create_task(_read(requests, begin, drain, begun))
    current: _Begun | None = None
    try:
        while (current := await begun.get()) is not None:
            async with contextlib.aclosing(_answers(*current, in_band)) as answers:
                async for answer in answers:
                    yield answer
            begun.task_done()
        await reading
    finally:
        left = [reading]
        if current is not None:
            left.append(current[1])
        while not begun.empty():
            waiting = begun.get_nowait()
            if waiting is not None:
                left.append(waiting[1])
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _read(
    requests: AsyncIterator[pb.ModelInferRequest], begin: Begin, drain: Drain, begun: asyncio.Queue[_Begun | None]
) -> None:
    """Begins requests as long as there is room for them; says None after the last."""
    draining = asyncio.create_task(drain.wait())
    try:
        async for request in _until(draining, requests):
            large = request.ByteSize() > _SMALL_REQUEST_BYTES
            if large:
                await begun.join()
            task = asyncio.ensure_future(begin(request))
            try:
                await begun.put((request, task))
            except BaseException:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                raise
            if large:
                await begun.join()
        if draining.done():
            raise Unavailable("the service is draining; send the requests that were not answered again")
    finally:
        draining.cancel()
        await begun.put(None)


async def _until(
    end: asyncio.Task[None], requests: AsyncIterator[pb.ModelInferRequest]
) -> AsyncIterator[pb.ModelInferRequest]:
    """Yields requests until there are no more or another task has ended."""
    iterator = aiter(requests)
    while not end.done():
        following = asyncio.ensure_future(anext(iterator, None))
        # Who is cancelled while waiting does not learn that what came was no message.
        following.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.wait((following, end), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not following.done():
                following.cancel()
        if not following.done():
            return
        request = following.result()
        if request is None:
            return
        yield request


async def _answers(request: pb.ModelInferRequest, task: asyncio.Task[Replies], in_band: bool) -> AsyncIterator[bytes]:
    try:
        replies = await task
        if isinstance(replies, AsyncIterator):
            async with contextlib.aclosing(replies):
                async for reply in replies:
                    yield reply
        else:
            for reply in replies:
                yield reply
    except SynthmillError as error:
        if not in_band:
            raise
        yield to_error(request, error.message)
