"""PNG files, a folder per class, with a list of their digests that `sha256sum --check` reads."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from synthmill.client.batches import Batch
from synthmill.client.writers.base import Writer
from synthmill.client.writers.encoding import Encoding
from synthmill.runtime.errors import InvalidField

_EXTENSION = "png"


class FolderWriter(Writer):
    """Writes a file per sample, named by its index; without classes they lie side by side."""

    suffix = ".sha256"
    is_tree = True

    def __init__(self, folder: Path, encoding: Encoding, count: int, name: str) -> None:
        super().__init__(folder, encoding, count, name)
        self._digests: TextIO | None = None

    def add(self, batch: Batch) -> None:
        if self._digests is None:
            self._digests = self.path.open("w", encoding="utf-8", newline="\n")
        for row in range(batch.count):
            name = f"{self._class_folder(batch, row)}{batch.first_index + row:012d}.{_EXTENSION}"
            data = self.encoding.files(batch, row).get(_EXTENSION)
            if data is None:
                raise InvalidField("format", _EXTENSION, "npz, parquet or webdataset: these samples are no pictures")
            (self.folder / name).write_bytes(data)
            self._digests.write(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

    def finish(self) -> None:
        self._digests.close()

    def close(self) -> None:
        # What cannot be completed, such as on a full disk, is thrown away.
        with contextlib.suppress(OSError):
            if self._digests is not None:
                self._digests.close()

    def _class_folder(self, batch: Batch, row: int) -> str:
        label = self.encoding.label(batch, row)
        if label is None:
            return ""
        folder = folder_name(self.encoding.labels[label])
        (self.folder / folder).mkdir(exist_ok=True)
        return f"{folder}/"


def folder_name(label: str) -> str:
    """Returns a class name as the name of a folder: what no file system takes is written as %2F and its like."""
    name = quote(label, safe=" !#$&'()+,;=@[]{}^~")
    return "%2E" + name[1:] if name.startswith(".") else name
