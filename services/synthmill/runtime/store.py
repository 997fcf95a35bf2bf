"""The object store: files named by the SHA-256 of their bytes.

A name says what the content is, so storing twice is harmless, a version is a list of names, and a damaged file is
recognised by every reader. Nothing is visible under its name before all of its bytes are on the disk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from synthmill.runtime.errors import DataLoss, InvalidField, ResourceExhausted
from synthmill.v1 import artifact_pb2

SCHEME = "store://sha256/"
_BLOCK_BYTES = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A file of the store; fields as in the message `Artifact`."""

    name: str
    uri: str
    sha256: str
    size_bytes: int
    media_type: str = ""

    def to_proto(self) -> artifact_pb2.Artifact:
        """Makes the message."""
        return artifact_pb2.Artifact(**dataclasses.asdict(self))

    @classmethod
    def from_proto(cls, message: artifact_pb2.Artifact) -> Artifact:
        """Reads the message.

        Raises:
            InvalidField: digest and URI are malformed or differ.
        """
        if len(message.sha256) != 64 or set(message.sha256) - set("0123456789abcdef"):
            raise InvalidField("artifact.sha256", message.sha256, "64 lower-case hex digits")
        if message.uri != SCHEME + message.sha256:
            raise InvalidField("artifact.uri", message.uri, SCHEME + message.sha256)
        return cls(message.name, message.uri, message.sha256, message.size_bytes, message.media_type)


class ObjectStore:
    """Puts files into a folder or bucket and reads them back, checked.

    Args:
        url: local path or fsspec URL of the folder that holds the objects.
        cache: local folder for copies of remote objects; by default one in the system's temporary folder.
    """

    def __init__(self, url: str, cache: Path | None = None) -> None:
        self._filesystem, self._root = fsspec.core.url_to_fs(url)
        self._local = isinstance(self._filesystem, LocalFileSystem)
        self._cache = cache or Path(tempfile.gettempdir()) / "synthmill-cache"
        self._checked: set[str] = set()
        self._lock = threading.Lock()

    def put_file(self, path: Path, name: str, media_type: str = "") -> Artifact:
        """Stores a local file's content and leaves the file where it is.

        Raises:
            ResourceExhausted: the store is full.
        """
        digest, size_bytes = _digest(path)
        artifact = Artifact(name, SCHEME + digest, digest, size_bytes, media_type)
        if not self.exists(artifact):
            with path.open("rb") as source, _full_disk_is_told(name):
                self._put(source, digest)
        return artifact

    def put_bytes(self, data: bytes, name: str, media_type: str = "") -> Artifact:
        """Stores bytes; errors as `put_file`."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            return self.put_file(Path(file.name), name, media_type)

    def get_bytes(self, artifact: Artifact) -> bytes:
        """Reads a whole file.

        Raises:
            DataLoss: it is missing, or its bytes do not match its digest.
        """
        return b"".join(self.read_chunks(artifact))

    def read_chunks(self, artifact: Artifact, offset: int = 0, chunk_bytes: int = _BLOCK_BYTES) -> Iterator[bytes]:
        """Yields a file's bytes from an offset on; errors as `get_bytes`.

        From the beginning, the digest is checked before the last chunk is handed out.
        """
        if offset:
            self.verify(artifact)
        hasher = hashlib.sha256()
        with self._open(artifact) as file:
            file.seek(offset)
            chunk = file.read(chunk_bytes)
            while chunk:
                following = file.read(chunk_bytes)
                hasher.update(chunk)
                if not following and not offset and hasher.hexdigest() != artifact.sha256:
                    raise _damaged(artifact)
                yield chunk
                chunk = following
        if not offset and hasher.hexdigest() != artifact.sha256:
            raise _damaged(artifact)

    def local_path(self, artifact: Artifact) -> Path:
        """Returns a local path of a file's bytes, for memory mapping; checked once per process.

        Raises:
            DataLoss: it is missing, or its bytes do not match its digest.
        """
        path = Path(self._path(artifact.sha256)) if self._local else self._cache / artifact.sha256
        with self._lock:
            checked = artifact.sha256 in self._checked
        if checked and path.exists():
            return path
        if not self._local and not path.exists():
            self._download(artifact, path)
        if not path.exists():
            raise _missing(artifact)
        if _digest(path)[0] != artifact.sha256:
            raise _damaged(artifact)
        with self._lock:
            self._checked.add(artifact.sha256)
        return path

    def verify(self, artifact: Artifact) -> None:
        """Reads a file to the end and checks its digest; errors as `get_bytes`."""
        hasher = hashlib.sha256()
        with self._open(artifact) as file:
            while block := file.read(_BLOCK_BYTES):
                hasher.update(block)
        if hasher.hexdigest() != artifact.sha256:
            raise _damaged(artifact)

    def exists(self, artifact: Artifact) -> bool:
        """Tells whether the file is there, without reading it."""
        return self._filesystem.exists(self._path(artifact.sha256))

    def delete(self, artifact: Artifact) -> None:
        """Removes a file; one that is not there stays away."""
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._path(artifact.sha256))

    def _path(self, digest: str) -> str:
        return f"{self._root}/sha256/{digest[:2]}/{digest[2:]}"

    def _open(self, artifact: Artifact) -> BinaryIO:
        try:
            return self._filesystem.open(self._path(artifact.sha256), "rb")
        except FileNotFoundError:
            raise _missing(artifact) from None

    def _put(self, source: BinaryIO, digest: str) -> None:
        final = self._path(digest)
        temporary = f"{self._root}/incoming/{uuid.uuid4().hex}"
        for path in (final, temporary):
            self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            with self._filesystem.open(temporary, "wb") as target:
                while block := source.read(_BLOCK_BYTES):
                    target.write(block)
                if self._local:
                    target.flush()
                    os.fsync(target.fileno())
            if self._local:
                os.replace(temporary, final)
                _sync_folder(os.path.dirname(final))
            else:
                self._filesystem.mv(temporary, final)
        finally:
            with contextlib.suppress(OSError):
                self._filesystem.rm_file(temporary)

    def _download(self, artifact: Artifact, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as target:
                target.writelines(self.read_chunks(artifact))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _full_disk_is_told(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceExhausted(f"{name}: the store is full ({error.strerror})") from error
        raise


def _missing(artifact: Artifact) -> DataLoss:
    return DataLoss(f"{artifact.name}: missing from the store", artifact=artifact.name, uri=artifact.uri)


def _damaged(artifact: Artifact) -> DataLoss:
    return DataLoss(
        f"{artifact.name}: the stored bytes do not match their digest", artifact=artifact.name, uri=artifact.uri
    )
