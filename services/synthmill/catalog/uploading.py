"""Receives files in chunks, and keeps them in the store until the job that wants them is done."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import os
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from synthmill.catalog import metrics
from synthmill.catalog.disposing import disown
from synthmill.catalog.tables import StoredArtifact
from synthmill.runtime.database import writing
from synthmill.runtime.errors import AlreadyExists, DataLoss, InvalidField, ResourceExhausted
from synthmill.runtime.store import Artifact, ObjectStore

Upload = dict[str, Any]
"""A received file as JSON, for the parameters of a job: {"owner", "file_name", and the fields of an artifact}."""


def check_file_name(field: str, name: str) -> str:
    """Returns a plain file name unchanged.

    Raises:
        InvalidField: it is empty, too long, or has folders in it.
    """
    if not name or len(name) > 200 or name in (".", "..") or any(character in name for character in "/\\\0"):
        raise InvalidField(field, name, "a file name of 1 to 200 characters without folders")
    return name


@contextlib.asynccontextmanager
async def received_file(
    pieces: AsyncIterator[bytes], folder: Path, limit_bytes: int, sha256: str = ""
) -> AsyncIterator[Path]:
    """Writes pieces to a temporary file, which is gone after the with block.

    Args:
        pieces: the file's bytes in order.
        folder: where to put it.
        limit_bytes: largest size allowed.
        sha256: digest it must have; empty means any.

    Raises:
        ResourceExhausted: it is larger than allowed.
        DataLoss: it has another digest.
        InvalidField: it is empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            digest = await _write(pieces, file, limit_bytes)
        if sha256 and digest != sha256.lower():
            raise DataLoss(f"sha256: the file received has {digest}", field="sha256", value=sha256, allowed=digest)
        yield path
    finally:
        path.unlink(missing_ok=True)


def store_upload(database: Engine, store: ObjectStore, path: Path, file_name: str, request_id: str) -> Upload:
    """Puts a received file into the store and protects it until `forget_upload`.

    Raises:
        AlreadyExists: the request_id was used to upload another file.
    """
    owner = f"uploads/{request_id or uuid.uuid4()}"
    artifact = store.put_file(path, file_name)
    with writing(database) as session:
        earlier = session.scalar(select(StoredArtifact).where(StoredArtifact.owner == owner))
        if earlier is None:
            session.add(StoredArtifact(owner=owner, **dataclasses.asdict(artifact)))
        elif (earlier.sha256, earlier.name) != (artifact.sha256, file_name):
            raise AlreadyExists(
                f"request_id: {request_id} was used to upload another file",
                field="request_id",
                value=request_id,
                allowed="a new UUID for a new request",
            )
    return {"owner": owner, **dataclasses.asdict(artifact)}


def artifact_of(upload: Upload) -> Artifact:
    """Returns the stored file of an upload."""
    return Artifact(**{name: value for name, value in upload.items() if name != "owner"})


def open_upload(store: ObjectStore, upload: Upload, folder: Path) -> Path:
    """Returns a path of the uploaded file under its own name, whose ending tells the format.

    Raises:
        DataLoss: the stored file is missing or damaged.
    """
    artifact = artifact_of(upload)
    # In a folder of its own: nothing of the import lies beside it for the file to refer to.
    path = folder / "upload" / artifact.name
    path.parent.mkdir()
    path.symlink_to(store.local_path(artifact))
    return path


def forget_upload(session: Session, upload: Upload) -> None:
    """Gives an upload up, in the transaction that ends its job."""
    disown(session, upload["owner"])


async def _write(pieces: AsyncIterator[bytes], file: BinaryIO, limit_bytes: int) -> str:
    hasher = hashlib.sha256()
    size_bytes = 0
    async for piece in pieces:
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise ResourceExhausted(
                f"the file is larger than {limit_bytes:,} bytes",
                field="data",
                value=f"more than {limit_bytes} bytes",
                allowed=f"at most {limit_bytes} bytes",
            )
        hasher.update(piece)
        metrics.UPLOAD_BYTES.inc(len(piece))
        await asyncio.to_thread(file.write, piece)
    if not size_bytes:
        raise InvalidField("data", "", "a file that is not empty")
    return hasher.hexdigest()
