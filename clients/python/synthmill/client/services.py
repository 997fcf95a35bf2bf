"""What the clients of all services share."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, ClassVar, ParamSpec, TypeVar

from synthmill.client.endpoints import Endpoint
from synthmill.client.retrying import BROKEN, Tries
from synthmill.client.settings import Settings
from synthmill.client.staging import staged_file
from synthmill.runtime.errors import DataLoss, SynthmillError, Unavailable
from synthmill.v1 import artifact_pb2

P = ParamSpec("P")
T = TypeVar("T")


class ServiceClient:
    """Calls one service.

    Args:
        endpoint: where it is.
        settings: deadlines and retries.
    """

    stub: ClassVar[type]

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function that blocks, away from the event loop if there is one."""
        return await self._endpoint.work(function, *args, **kwargs)

    async def each(self, function: Callable[[T], Coroutine[Any, Any, None]], items: Iterable[T], limit: int) -> None:
        """Runs a coroutine for each item, up to `limit` at once; an error or an interruption stops all of them."""
        await self._endpoint.each(function, items, limit)

    async def _unary(self, method: str, request: Any) -> Any:
        return await self._endpoint.unary(self.stub, method, request, self._settings.timeout_s)

    def _stream(self, method: str, request: Any) -> AsyncGenerator[Any, None]:
        return self._endpoint.stream(self.stub, method, request, self._settings.stream_timeout_s)

    def _exchange(self, method: str, requests: Iterable[Any]) -> AsyncGenerator[Any, None]:
        return self._endpoint.exchange(self.stub, method, requests, self._settings.stream_timeout_s)

    async def _resumed(self, method: str, next_request: Callable[[], Any | None]) -> AsyncGenerator[Any, None]:
        """Yields the answers of a stream, and opens it again where it broke.

        Args:
            next_request: returns the request for what has not come yet, or None if all has; called before each try.
        """
        tries = Tries(self._settings.retry)
        error: SynthmillError | None = None
        while (request := next_request()) is not None:
            if error is not None:
                await self._endpoint.sleep(tries.pause_s(error))
            error = Unavailable(f"{method}: the stream ended before its time")
            try:
                async with contextlib.aclosing(self._stream(method, request)) as answers:
                    async for answer in answers:
                        tries.progress()
                        yield answer
            except BROKEN as broken:
                error = broken

    async def _upload(self, method: str, requests: Callable[[], Iterable[Any]]) -> Any:
        """Uploads, from the beginning again if the call breaks; the request must have a request_id."""
        tries = Tries(self._settings.retry)
        while True:
            try:
                return await self._endpoint.upload(self.stub, method, requests(), self._settings.upload_timeout_s)
            except BROKEN as error:
                await self._endpoint.sleep(tries.pause_s(error))

    async def _file(self, method: str, request: Any, artifact: artifact_pb2.Artifact) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of a file; a stream that breaks is taken up where it ended.

        Args:
            request: asks for the file; its offset is moved on.

        Raises:
            DataLoss: other bytes came than were expected, or the service has lost them.
        """

        def next_request() -> Any | None:
            return request if request.offset < artifact.size_bytes else None

        async with contextlib.aclosing(self._resumed(method, next_request)) as chunks:
            async for chunk in chunks:
                if chunk.offset != request.offset:
                    raise DataLoss(f"{artifact.name}: byte {chunk.offset} came where {request.offset} was expected")
                request.offset += len(chunk.data)
                yield chunk.data

    async def _download(
        self, owner: str, artifact: artifact_pb2.Artifact, chunks: AsyncGenerator[bytes, None], path: Path
    ) -> None:
        """Writes a file to a path, at once or not at all.

        Args:
            owner: whose file it is.
            chunks: its bytes; closed at the end.

        Raises:
            DataLoss: the bytes do not have the digest announced.
        """
        digest = hashlib.sha256()
        async with contextlib.aclosing(chunks):
            with staged_file(path) as partial, partial.open("wb") as file:
                async for data in chunks:
                    digest.update(data)
                    await self.work(file.write, data)
                check_digest(owner, artifact, digest)

    async def _pages(self, method: str, request: Any, field: str) -> AsyncGenerator[Any, None]:
        """Yields the items of all pages of a list."""
        while True:
            page = await self._unary(method, request)
            for item in getattr(page, field):
                yield item
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def check_digest(owner: str, artifact: artifact_pb2.Artifact, digest: Any) -> None:
    """Makes sure that the bytes of a file are those announced.

    Args:
        owner: whose file it is.
        artifact: the file.
        digest: hash object that has seen all of the bytes.

    Raises:
        DataLoss: they are not.
    """
    if digest.hexdigest() != artifact.sha256:
        raise DataLoss(f"{owner}: {artifact.name} has the digest {digest.hexdigest()}, not {artifact.sha256}")
