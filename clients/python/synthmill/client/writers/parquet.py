"""Parquet, as `datasets.load_dataset` reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthmill.client.batches import Batch
from synthmill.client.writers.base import Writer, Written
from synthmill.client.writers.encoding import Encoding

_FILE_BYTES = 512 * 1024 * 1024


class ParquetWriter(Writer):
    """Writes a row group per batch, and begins another file when one is large."""

    suffix = ".parquet"

    def __init__(self, folder: Path, encoding: Encoding, count: int, single: str = "") -> None:
        super().__init__(folder, encoding, count, single)
        self._written: list[Written] = []
        self._file: Any = None
        self._rows = 0
        self._bytes = 0

    def add(self, batch: Batch) -> None:
        import pyarrow.parquet as pq

        table = self.encoding.table(batch)
        if self._file is None:
            self._file = pq.ParquetWriter(self.folder / self._name(), table.schema)
        self._file.write_table(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._bytes >= _FILE_BYTES and not self.single:
            self._end_file()

    def finish(self) -> list[Written]:
        self._end_file()
        return self._written

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _end_file(self) -> None:
        if self._file is not None:
            self.close()
            self._written.append(Written(self._name(), self._rows))
            self._rows = self._bytes = 0

    def _name(self) -> str:
        # By "train" in the name `load_dataset` knows a folder's files from its manifest.
        return self.single or f"train-{len(self._written):05d}.parquet"
