"""WebDataset shards: tar files with the files of a sample side by side, named by its index."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from synthmill.client.batches import Batch
from synthmill.client.writers.base import Writer, Written
from synthmill.client.writers.encoding import Encoding

_SHARD_BYTES = 256 * 1024 * 1024


class WebDatasetWriter(Writer):
    """Writes shard after shard; a sample's label is the number in its .cls file."""

    suffix = ".tar"

    def __init__(self, folder: Path, encoding: Encoding, count: int, single: str = "") -> None:
        super().__init__(folder, encoding, count, single)
        self._written: list[Written] = []
        self._tar: tarfile.TarFile | None = None
        self._rows = 0

    def add(self, batch: Batch) -> None:
        for row in range(batch.count):
            tar = self._shard()
            key = f"{batch.first_index + row:012d}"
            for extension, data in self.encoding.files(batch, row).items():
                _add(tar, f"{key}.{extension}", data)
            label = self.encoding.label(batch, row)
            if label is not None:
                _add(tar, f"{key}.cls", str(label).encode())
            self._rows += 1

    def finish(self) -> list[Written]:
        self._end_shard()
        return self._written

    def close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None

    def _shard(self) -> tarfile.TarFile:
        if self._tar is not None and self._tar.offset >= _SHARD_BYTES and not self.single:
            self._end_shard()
        if self._tar is None:
            self._tar = tarfile.TarFile(self.folder / self._name(), "w")
        return self._tar

    def _end_shard(self) -> None:
        if self._tar is not None:
            self.close()
            self._written.append(Written(self._name(), self._rows))
            self._rows = 0

    def _name(self) -> str:
        return self.single or f"samples-{len(self._written):06d}.tar"


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
