"""The store: puts files and reads them back, checked."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from synthmill.runtime import metrics
from synthmill.runtime.config import DEFAULT_CACHE_MB, DEFAULT_LOCAL_FOLDER, MIB
from synthmill.runtime.errors import FailedPrecondition
from synthmill.runtime.store.artifact import SCHEME, Artifact, damaged, missing
from synthmill.runtime.store.cache import Cache
from synthmill.runtime.store.folder import FolderStorage
from synthmill.runtime.store.observing import FIND, OPEN, PUT, READ, REMOVE, failures_counted, observed
from synthmill.runtime.store.storage import BLOCK_BYTES, Storage, full_disk_told


class ObjectStore:
    """Puts files into a folder or bucket and reads them back, checked.

    Args:
        url: local path, s3://BUCKET/PREFIX or fsspec URL of the folder that holds the objects.
        cache: local folder for copies of remote objects; by default one in the default local folder.
        cache_bytes: what those copies may take together.

    Raises:
        InvalidField: the URL is none that there is support for.
        FailedPrecondition: what its files are reached with is not installed or not set up.
    """

    def __init__(self, url: str, cache: Path | None = None, cache_bytes: int = DEFAULT_CACHE_MB * MIB) -> None:
        self._storage = _storage_at(url)
        self._cache = Cache(cache or Path(DEFAULT_LOCAL_FOLDER, "cache").absolute(), cache_bytes)
        self._checked: dict[str, str] = {}
        self._lock = threading.Lock()

    def check(self) -> None:
        """Sees whether files can be kept, so that a service need not begin where they cannot.

        Raises:
            FailedPrecondition: there is no such bucket, or no credentials.
            PermissionDenied: the credentials are refused.
            Unavailable: the endpoint does not answer.
        """
        self._storage.check()

    def put_file(self, path: Path, name: str, media_type: str = "") -> Artifact:
        """Stores a local file's content and leaves the file where it is; other errors as `check`.

        Raises:
            ResourceExhausted: the store is full.
        """
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            artifact = Artifact(name, SCHEME + digest, digest, file.tell(), media_type)
        if not self.exists(artifact):
            with observed(PUT), full_disk_told(name, "the store"):
                self._storage.put(path, _key(artifact))
            metrics.STORE_BYTES.labels(PUT).inc(artifact.size_bytes)
        return artifact

    def put_bytes(self, data: bytes, name: str, media_type: str = "") -> Artifact:
        """Stores bytes; errors as `put_file`."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return self.put_file(Path(file.name), name, media_type)

    def get_bytes(self, artifact: Artifact) -> bytes:
        """Reads a whole file; other errors as `check`.

        Raises:
            DataLoss: it is missing, or its bytes do not match its digest.
        """
        return b"".join(self.read_chunks(artifact))

    def read_chunks(self, artifact: Artifact, offset: int = 0, chunk_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yields a file's bytes from an offset on; errors as `get_bytes`.

        From the beginning, the digest is checked before the last chunk is handed out; from further on, before the
        first, once per process as long as the file does not change.
        """
        if offset:
            self._verify_once(artifact)
            yield from self._read(artifact, chunk_bytes, offset)
            return
        hasher = hashlib.sha256()
        held = b""
        for chunk in self._read(artifact, chunk_bytes):
            hasher.update(chunk)
            if held:
                yield held
            held = chunk
        if hasher.hexdigest() != artifact.sha256:
            raise damaged(artifact)
        if held:
            yield held

    def local_path(self, artifact: Artifact) -> Path:
        """Returns a local path of a file's bytes, for memory mapping; checked once per process.

        A copy of a remote file is handed out without asking whether the file is still there.

        Raises:
            DataLoss: it is missing, or its bytes do not match its digest.
            ResourceExhausted: the disk has no room for a copy.
        """
        if isinstance(self._storage, FolderStorage):
            self._verify_once(artifact)
            return self._storage.path(_key(artifact))
        return self._cache.find(artifact) or self._cache.add(artifact, self.read_chunks(artifact))

    def verify(self, artifact: Artifact) -> None:
        """Reads a file to the end and checks its digest; errors as `get_bytes`."""
        for _chunk in self.read_chunks(artifact):
            pass

    def exists(self, artifact: Artifact) -> bool:
        """Tells whether the file is there, without reading it; errors as `check`."""
        return self._stamp(artifact) is not None

    def delete(self, artifact: Artifact) -> None:
        """Removes a file and its local copy; one that is not there stays away. Errors as `check`."""
        with observed(REMOVE):
            self._storage.remove(_key(artifact))
        self._cache.remove(artifact)

    def _read(self, artifact: Artifact, chunk_bytes: int, offset: int = 0) -> Iterator[bytes]:
        try:
            with observed(OPEN):
                file = self._storage.open(_key(artifact), offset)
            with file:
                while chunk := _read_chunk(file, chunk_bytes):
                    yield chunk
        except FileNotFoundError:
            raise missing(artifact) from None

    def _stamp(self, artifact: Artifact) -> str | None:
        with observed(FIND):
            return self._storage.stamp(_key(artifact))

    def _verify_once(self, artifact: Artifact) -> None:
        stamp = self._stamp(artifact)
        if stamp is None:
            raise missing(artifact)
        with self._lock:
            checked = self._checked.get(artifact.sha256) == stamp
        if not checked:
            self.verify(artifact)
            with self._lock:
                self._checked[artifact.sha256] = stamp


def _read_chunk(file: BinaryIO, chunk_bytes: int) -> bytes:
    with failures_counted(READ):
        chunk = file.read(chunk_bytes)
    metrics.STORE_BYTES.labels(READ).inc(len(chunk))
    return chunk


def _key(artifact: Artifact) -> str:
    return f"sha256/{artifact.sha256[:2]}/{artifact.sha256[2:]}"


def _storage_at(url: str) -> Storage:
    # fsspec and boto3 take a while to load, which a folder is spared.
    if "://" not in url or url.startswith("file://"):
        return FolderStorage(Path(url.removeprefix("file://")).absolute())
    if url.startswith("s3://"):
        return _s3_at(url)
    from synthmill.runtime.store.remote import RemoteStorage

    return RemoteStorage(url)


def _s3_at(url: str) -> Storage:
    try:
        from synthmill.runtime.store.s3 import S3Storage
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            f"store: S3 needs {error.name}, which is not installed: pip install 'synthmill[s3]'",
            field="store",
            package=str(error.name),
        ) from None
    return S3Storage(url)
