"""Files wherever fsspec has a driver."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import BinaryIO

import fsspec

from synthmill.runtime.errors import FailedPrecondition, InvalidField


class RemoteStorage:
    """Keeps files on a file system of fsspec: written under another name and moved.

    Args:
        url: where, as fsspec has it.

    Raises:
        InvalidField: fsspec knows no such protocol.
        FailedPrecondition: the protocol's driver is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            self._filesystem, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ValueError as error:
            raise InvalidField("store", url, f"a folder, s3://BUCKET/PREFIX or a URL of fsspec ({error})") from None
        except ImportError as error:
            raise FailedPrecondition(f"store: {error}", field="store") from None

    def check(self) -> None:
        """Nothing to see: folders are made when the first file is put."""

    def put(self, source: Path, key: str) -> None:
        """Stores a local file's content."""
        final, temporary = self._path(key), self._path(f"incoming/{uuid.uuid4().hex}")
        for path in (final, temporary):
            self._filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            self._filesystem.put_file(str(source), temporary)
            self._filesystem.mv(temporary, final)
        finally:
            with contextlib.suppress(OSError):
                self._filesystem.rm_file(temporary)

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        """Opens a file for reading from a byte on."""
        file = self._filesystem.open(self._path(key), "rb")
        file.seek(offset)
        return file

    def stamp(self, key: str) -> str | None:
        """Returns a hash of what the file system says about the file."""
        try:
            return str(self._filesystem.ukey(self._path(key)))
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        """Removes a file."""
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"
