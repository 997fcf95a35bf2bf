"""Sends files of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from synthmill.runtime.drain import Drain
from synthmill.runtime.errors import InvalidField, Unavailable
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.v1 import artifact_pb2


async def send_artifact(
    store: ObjectStore, artifact: Artifact, offset: int, drain: Drain
) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
    """Yields a file in chunks of at most 1 MiB, each with the offset of its first byte.

    Args:
        store: where the file is.
        artifact: the file.
        offset: first byte.
        drain: says when to end.

    Raises:
        InvalidField: the offset lies outside the file.
        DataLoss: the file is missing or damaged.
        Unavailable: the service drains; `next_offset` is the first byte not sent.
    """
    if not 0 <= offset <= artifact.size_bytes:
        raise InvalidField("offset", offset, f"0 to {artifact.size_bytes}, the size of {artifact.name}")
    chunks = store.read_chunks(artifact, offset)
    while (data := await asyncio.to_thread(next, chunks, None)) is not None:
        if drain.draining:
            raise Unavailable("the service is shutting down; go on from where this ended", next_offset=offset)
        yield artifact_pb2.ArtifactChunk(offset=offset, data=data)
        offset += len(data)
