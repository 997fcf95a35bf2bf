"""Holds decoded records on disk until it is known which of them are kept, and where."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthmill.catalog.importing.decoding import Chunk
from synthmill.catalog.splits import SPLITS
from synthmill.kinds.base import Columns

NO_LABEL = -1
NO_SPLIT = -1


class Spool:
    """Records in source order; memory holds digests, fingerprints, labels and splits only.

    Attributes:
        label_names: class names in order of appearance; `labels` holds positions in it.
    """

    def __init__(self, folder: Path, columns: Mapping[str, tuple[np.dtype, tuple[int, ...]]]) -> None:
        self._shapes = dict(columns)
        self._paths = {name: folder / f"{name}.raw" for name in columns}
        self._files = {name: path.open("wb") for name, path in self._paths.items()}
        self._names_path = folder / "sources.txt"
        self._names_file = self._names_path.open("wb")
        self._name_ends = array("q", [0])
        self._positions, self._labels, self._splits = array("q"), array("q"), array("b")
        self._digests: list[np.ndarray] = []
        self._fingerprints: list[np.ndarray] = []
        self._label_ids: dict[str, int] = {}
        self._views: Columns = {}

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def label_names(self) -> list[str]:
        return list(self._label_ids)

    def append(self, chunk: Chunk) -> None:
        """Adds the records of a chunk."""
        for name, column in chunk.columns.items():
            column.tofile(self._files[name])
        for origin in chunk.origins:
            encoded = origin.source.encode(errors="surrogateescape")
            self._names_file.write(encoded)
            self._name_ends.append(self._name_ends[-1] + len(encoded))
            self._positions.append(origin.position)
            self._labels.append(self._label_id(origin.label))
            self._splits.append(NO_SPLIT if origin.split is None else SPLITS.index(origin.split))
        self._digests.append(chunk.digests)
        self._fingerprints.append(chunk.fingerprints)

    def seal(self) -> None:
        """Ends writing and opens the records for reading; there must be at least one."""
        for file in (*self._files.values(), self._names_file):
            file.close()
        for name, (dtype, shape) in self._shapes.items():
            self._views[name] = np.memmap(self._paths[name], dtype, "r", shape=(len(self), *shape))

    @property
    def positions(self) -> np.ndarray:
        """Position of each record in the source, int64 (N,)."""
        return np.frombuffer(self._positions, np.int64)

    @property
    def labels(self) -> np.ndarray:
        """Label of each record, int64 (N,), `NO_LABEL` where there is none."""
        return np.frombuffer(self._labels, np.int64)

    @property
    def splits(self) -> np.ndarray:
        """Split of each record as a position in `SPLITS`, int8 (N,), `NO_SPLIT` where the source names none."""
        return np.frombuffer(self._splits, np.int8)

    @property
    def digests(self) -> np.ndarray:
        """Digest of each record, uint64 (N, 2)."""
        return np.concatenate(self._digests)

    @property
    def fingerprints(self) -> np.ndarray:
        """Fingerprint of each record, uint64 (N,)."""
        return np.concatenate(self._fingerprints)

    def columns(self, rows: np.ndarray) -> Columns:
        """Reads the records at the given rows."""
        return {name: view[rows] for name, view in self._views.items()}

    def source(self, row: int) -> str:
        """Returns the name of a record in the source."""
        start, end = self._name_ends[row], self._name_ends[row + 1]
        with self._names_path.open("rb") as file:
            file.seek(start)
            return file.read(end - start).decode(errors="replace")

    def _label_id(self, label: str | None) -> int:
        if not label:
            return NO_LABEL
        return self._label_ids.setdefault(label, len(self._label_ids))
