"""WebDataset shards: tar files with the files of a sample side by side, named by its index."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

from synthmill.client.batches import Batch
from synthmill.client.writers.base import Writer
from synthmill.client.writers.encoding import Encoding


class WebDatasetWriter(Writer):
    """Writes a shard; a sample's label is the number in its .cls file."""

    suffix = ".tar"

    def __init__(self, folder: Path, encoding: Encoding, count: int, name: str) -> None:
        super().__init__(folder, encoding, count, name)
        self._tar: tarfile.TarFile | None = None

    def add(self, batch: Batch) -> None:
        if self._tar is None:
            self._tar = tarfile.TarFile(self.path, "w")
        for row in range(batch.count):
            key = f"{batch.first_index + row:012d}"
            for extension, data in self.encoding.files(batch, row).items():
                _add(self._tar, f"{key}.{extension}", data)
            label = self.encoding.label(batch, row)
            if label is not None:
                _add(self._tar, f"{key}.cls", str(label).encode())
        # A tar that is written keeps every entry in memory too.
        self._tar.members.clear()

    def finish(self) -> None:
        self._tar.close()

    def close(self) -> None:
        # What cannot be completed, such as on a full disk, is thrown away.
        with contextlib.suppress(OSError):
            if self._tar is not None:
                self._tar.close()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
