"""NumPy's .npz: an array per column, and "label_names" for the class names."""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from synthmill.client.batches import Batch
from synthmill.client.writers.base import Writer
from synthmill.client.writers.encoding import Encoding
from synthmill.runtime.errors import InvalidField

LABEL_NAMES = "label_names"
_COPY_BYTES = 1024 * 1024


class NpzWriter(Writer):
    """Writes each column to a file of its own as it comes, and packs them together at the end."""

    suffix = ".npz"

    def __init__(self, folder: Path, encoding: Encoding, count: int, name: str) -> None:
        super().__init__(folder, encoding, count, name)
        self._files: dict[str, BinaryIO] = {}

    def add(self, batch: Batch) -> None:
        for name, array in batch.columns.items():
            file = self._files.get(name) or self._open(name, array)
            file.write(np.ascontiguousarray(array).data)

    def finish(self) -> None:
        for file in self._files.values():
            file.close()
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED) as archive:
            for column, file in self._files.items():
                path = Path(file.name)
                with path.open("rb") as source, archive.open(_entry(column), "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, _COPY_BYTES)
                path.unlink()
            if self.encoding.labels:
                with archive.open(_entry(LABEL_NAMES), "w") as target:
                    npy.write_array(target, np.array(self.encoding.labels), allow_pickle=False)

    def close(self) -> None:
        for file in self._files.values():
            # What cannot be completed, such as on a full disk, is thrown away.
            with contextlib.suppress(OSError):
                file.close()

    def _open(self, name: str, array: np.ndarray) -> BinaryIO:
        if array.dtype.hasobject:
            raise InvalidField("format", "npz", f"a format for text, such as parquet: the column {name} holds text")
        self._files[name] = file = (self.folder / f"{len(self._files)}.npy").open("wb")
        shape = (self.count, *array.shape[1:])
        header = {"descr": npy.dtype_to_descr(array.dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(file, header)
        return file


def _entry(column: str) -> zipfile.ZipInfo:
    # Without a time of its own, the same samples make the same file.
    return zipfile.ZipInfo(f"{column}.npy")
