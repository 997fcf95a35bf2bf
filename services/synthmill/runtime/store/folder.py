"""Files in a local folder."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import BinaryIO

from synthmill.runtime.store.storage import BLOCK_BYTES, file_stamp


class FolderStorage:
    """Keeps files in a folder: written under another name, synced, renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str) -> Path:
        """Returns where a file is, or would be."""
        return self._folder / key

    def check(self) -> None:
        """Nothing to see: the folder is made when the first file is put."""

    def put(self, source: Path, key: str) -> None:
        """Stores a local file's content."""
        final, temporary = self.path(key), self._folder / "incoming" / uuid.uuid4().hex
        for path in (final, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with source.open("rb") as given, temporary.open("wb") as target:
                shutil.copyfileobj(given, target, BLOCK_BYTES)
                target.flush()
                os.fsync(target.fileno())
            temporary.replace(final)
            _sync(final.parent)
        finally:
            temporary.unlink(missing_ok=True)

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        """Opens a file for reading from a byte on."""
        file = self.path(key).open("rb")
        file.seek(offset)
        return file

    def stamp(self, key: str) -> str | None:
        """Returns the file's identity, size and time of change."""
        return file_stamp(self.path(key))

    def remove(self, key: str) -> None:
        """Removes a file."""
        self.path(key).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
