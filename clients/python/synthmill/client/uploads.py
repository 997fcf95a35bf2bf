"""Files and folders as the pieces of an upload."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from synthmill.runtime.errors import BadData, InvalidField

PIECE_BYTES = 1024 * 1024


class Upload:
    """A file to send, or a folder, which is sent as a tar of it.

    Args:
        path: what to send.

    Attributes:
        file_name: name to send it under.

    Raises:
        InvalidField: nothing is there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise InvalidField("source", str(path), "a file or folder that exists")
        self._path = path
        self._is_folder = path.is_dir()
        self.file_name = f"{path.resolve().name}.tar" if self._is_folder else path.name

    def sha256(self) -> str:
        """Returns the digest of the bytes, by which the service knows that all have come."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def pieces(self) -> Iterator[bytes]:
        """Yields the bytes in order, the same each time."""
        return _gathered(_tar_of(self._path)) if self._is_folder else _read(self._path)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Joins small parts to pieces that are worth a message."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _tar_of(folder: Path) -> Iterator[bytes]:
    """Makes a tar of a folder, without a temporary file."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield from _tar_member(path, path.relative_to(folder).as_posix())
    yield bytes(2 * tarfile.BLOCKSIZE)


def _tar_member(path: Path, name: str) -> Iterator[bytes]:
    if not path.is_file() and not path.is_symlink():
        raise BadData(f"{path} is neither a file nor a folder nor a link", field="source", value=str(path))
    # A repeated upload must be the same bytes, so the file's times and owner stay out.
    entry = tarfile.TarInfo(name)
    if path.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
        yield entry.tobuf(tarfile.PAX_FORMAT)
        return
    entry.size = path.stat().st_size
    yield entry.tobuf(tarfile.PAX_FORMAT)
    sent = 0
    for piece in _read(path):
        sent += len(piece)
        yield piece
    if sent != entry.size:
        raise BadData(f"{path} has changed while it was being sent", field="source", value=str(path))
    yield bytes(-sent % tarfile.BLOCKSIZE)
