"""What the store asks of the folder, bucket or other place that holds its files."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from synthmill.runtime.errors import ResourceExhausted

BLOCK_BYTES = 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Storage(Protocol):
    """Files by key, a relative path with slashes; whatever is written is seen by every process at once."""

    def check(self) -> None:
        """Sees whether files can be kept here; raises what will make every other call fail."""

    def put(self, source: Path, key: str) -> None:
        """Stores a local file's content: all of it under the key, or nothing."""

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        """Opens a file for reading from a byte on; raises FileNotFoundError here or while it is read."""

    def stamp(self, key: str) -> str | None:
        """Returns what changes whenever the file does, without reading it; None if it is not there."""

    def remove(self, key: str) -> None:
        """Removes a file; one that is not there stays away."""


def file_stamp(path: Path) -> str | None:
    """Returns the stamp of a local file; None if it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


@contextlib.contextmanager
def full_disk_told(name: str, where: str) -> Iterator[None]:
    """Turns what the system says about a full disk into ResourceExhausted.

    Args:
        name: of the file that was to be written.
        where: what is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ResourceExhausted(f"{name}: {where} is full ({error.strerror})") from error
        raise
