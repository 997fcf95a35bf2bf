"""Folders and archives as one thing: a stream of named entries, read one at a time."""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from synthmill.kinds.base import CollectLimits, IssueReason, Rejection
from synthmill.runtime.errors import BadData, ResourceExhausted

# The readers of archives let through whatever a malformed one makes their parts raise.
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, LookupError, NotImplementedError),
)
"""What reading a damaged archive raises."""

_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of a container.

    Attributes:
        name: its path inside, with slashes.
        size_bytes: its size once unpacked.
        load: returns its path or its bytes; to be called before the next entry is asked for.
        rejection: why it must not be loaded, or None.
    """

    name: str
    size_bytes: int
    load: Callable[[], Path | bytes]
    rejection: Rejection | None = None


@dataclasses.dataclass(frozen=True)
class Container:
    """A folder or archive.

    Attributes:
        name: its own name, for messages.
        entries: yields its files in a fixed order, anew at each call.
    """

    name: str
    entries: Callable[[], Iterator[Entry]]


def folder(root: Path, limits: CollectLimits) -> Container:
    """Opens a folder; links and special files in it are rejected, not followed."""
    return Container(root.name, lambda: _folder_entries(root, limits))


def zip_file(path: Path, limits: CollectLimits) -> Container:
    """Opens a zip archive; names that leave it, links and encrypted files in it are rejected."""
    return Container(path.name, lambda: _zip_entries(path, limits))


def tar_file(path: Path, limits: CollectLimits) -> Container:
    """Opens a tar archive of any compression; names that leave it, links and devices in it are rejected."""
    return Container(path.name, lambda: _tar_entries(path, limits))


def _folder_entries(root: Path, limits: CollectLimits) -> Iterator[Entry]:
    for parent, folders, files in os.walk(root, onerror=_refuse):
        folders.sort()
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in sorted(files + links):
            path = Path(parent) / name
            info = path.lstat()
            inner = path.relative_to(root).as_posix()
            rejection = _too_large(inner, info.st_size, limits)
            if stat.S_ISLNK(info.st_mode):
                rejection = Rejection(inner, IssueReason.UNSAFE_PATH, "is a link")
            elif not stat.S_ISREG(info.st_mode):
                rejection = Rejection(inner, IssueReason.UNSUPPORTED_FORMAT, "is no regular file")
            yield Entry(inner, info.st_size, lambda path=path: path, rejection)


def _refuse(error: OSError) -> None:
    raise BadData(f"{Path(error.filename).name}: cannot be read: {error.strerror}", field="source_uri") from error


def _zip_entries(path: Path, limits: CollectLimits) -> Iterator[Entry]:
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise BadData(f"{path.name}: damaged archive: {error}", field="source_uri") from error
    with archive:
        total = _Total(path.name, limits)
        for info in archive.infolist():
            if info.is_dir():
                continue
            total.add(info.file_size)
            name = _normal(info.filename)
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            rejection = _unsafe(info.filename, is_link) or _too_large(name, info.file_size, limits)
            if info.flag_bits & 1:
                rejection = Rejection(name, IssueReason.UNSUPPORTED_FORMAT, "is encrypted")
            yield Entry(
                name, info.file_size, lambda info=info: _read(lambda: archive.open(info), info.file_size), rejection
            )


def _tar_entries(path: Path, limits: CollectLimits) -> Iterator[Entry]:
    try:
        with _unpacked(path) as stream, _open_tar(stream, limits) as archive:
            total = _Total(path.name, limits)
            for info in archive:
                if info.size < 0:
                    raise tarfile.ReadError(f"{info.name} has a negative size")
                # The library keeps every member it has met; a long archive must not fill the memory.
                archive.members = []
                if info.isdir():
                    continue
                total.add(info.size)
                name = _normal(info.name)
                rejection = _unsafe(info.name, info.islnk() or info.issym()) or _too_large(name, info.size, limits)
                if not rejection and not info.isfile():
                    rejection = Rejection(name, IssueReason.UNSUPPORTED_FORMAT, "is no regular file")
                yield Entry(
                    name, info.size, lambda info=info: _read(lambda: archive.extractfile(info), info.size), rejection
                )
            _check_end(archive)
    except DAMAGE as error:
        raise BadData(f"{path.name}: damaged archive: {error}", field="source_uri") from error


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(path.open("rb"))
        start = stream.read(max(map(len, _COMPRESSIONS)))
        stream.seek(0)
        for magic, decompress in _COMPRESSIONS.items():
            if start.startswith(magic):
                stream = stack.enter_context(decompress(stream))
        yield stream


def _open_tar(stream: BinaryIO, limits: CollectLimits) -> tarfile.TarFile:
    return tarfile.open(fileobj=_SmallReads(stream, limits.item_bytes), mode="r:")


class _SmallReads:
    """A stream of which nobody reads much at once: the library reads names and attributes of any length whole."""

    def __init__(self, stream: BinaryIO, limit_bytes: int) -> None:
        self._stream = stream
        self._limit_bytes = max(limit_bytes, tarfile.RECORDSIZE)
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self._limit_bytes:
            raise tarfile.ReadError(f"a part of {size:,} bytes, allowed: {self._limit_bytes:,}")
        return self._stream.read(size)


def _check_end(archive: tarfile.TarFile) -> None:
    # The library takes a damaged header for the end of the archive, and would lose what follows without a word.
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"no header and no end mark at byte {archive.offset:,}")


class _Total:
    """Adds up what an archive claims to hold, and stops it in time."""

    def __init__(self, name: str, limits: CollectLimits) -> None:
        self._name = name
        self._limit_bytes = limits.total_bytes
        self._limit_count = limits.items
        self._seen_bytes = 0
        self._seen_count = 0

    def add(self, size_bytes: int) -> None:
        self._seen_bytes += size_bytes
        self._seen_count += 1
        if self._seen_count > self._limit_count:
            raise ResourceExhausted(f"{self._name}: more than {self._limit_count:,} items", field="source_uri")
        if self._seen_bytes > self._limit_bytes:
            raise ResourceExhausted(
                f"{self._name}: unpacks to more than {self._limit_bytes:,} bytes",
                field="source_uri",
                value=self._seen_bytes,
                allowed=f"at most {self._limit_bytes} bytes",
            )


def _read(open_entry: Callable, size_bytes: int) -> bytes:
    # Never more than announced, whatever the compressed bytes would expand to.
    with open_entry() as stream:
        return stream.read(size_bytes)


def _normal(name: str) -> str:
    return str(PurePosixPath(name.replace("\\", "/")))


def _unsafe(name: str, is_link: bool) -> Rejection | None:
    normal = _normal(name)
    if is_link:
        return Rejection(normal, IssueReason.UNSAFE_PATH, "is a link")
    if normal.startswith("/") or ".." in PurePosixPath(normal).parts or PureWindowsPath(name).drive or "\0" in name:
        return Rejection(normal, IssueReason.UNSAFE_PATH, "the path leaves the archive")
    return None


def _too_large(name: str, size_bytes: int, limits: CollectLimits) -> Rejection | None:
    if size_bytes <= limits.item_bytes:
        return None
    return Rejection(name, IssueReason.TOO_LARGE, f"{size_bytes:,} bytes, allowed: {limits.item_bytes:,}")
