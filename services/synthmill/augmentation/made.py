"""Results of a job on their way: in plain files, with a note of how many are safe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from synthmill.kinds.base import Columns
from synthmill.runtime.jobs.publication import write_durably

Specs = Mapping[str, tuple[np.dtype, tuple[int, ...]]]

_NOTE = "made.json"


class Made:
    """The results that a job has made, appended to a file for each column; used in a with block.

    Whatever ends the process, the next one goes on from the last note: what was written after it is cut off and made
    again, the same.

    Args:
        folder: of this job alone.
        columns: dtype and shape of each column of one result.
    """

    def __init__(self, folder: Path, columns: Specs) -> None:
        folder.mkdir(exist_ok=True)
        self._columns = dict(columns)
        self._note = folder / _NOTE
        self._paths = {name: folder / f"{name}.raw" for name in columns}
        self.count = json.loads(self._note.read_text())["count"] if self._note.exists() else 0
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> Self:
        for name, (dtype, shape) in self._columns.items():
            file = self._files[name] = self._paths[name].open("r+b" if self.count else "w+b")
            file.truncate(self.count * dtype.itemsize * int(np.prod(shape)))
            file.seek(0, os.SEEK_END)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def append(self, results: Columns) -> None:
        """Adds results."""
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(results[name]).data)
        self.count += len(next(iter(results.values())))

    def keep(self) -> None:
        """Makes sure that what there is will be there whatever happens."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        write_durably(self._note, json.dumps({"count": self.count}).encode())

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the results by column, memory-mapped; there must be at least one, and it must have been kept."""
        return {
            name: np.memmap(self._paths[name], dtype, "r", shape=(self.count, *shape))
            for name, (dtype, shape) in self._columns.items()
        }
