"""Parquet, as `datasets.load_dataset` reads it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthmill.client.batches import Batch
from synthmill.client.writers.base import Writer
from synthmill.client.writers.encoding import Encoding

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetWriter(Writer):
    """Writes a row group per batch."""

    suffix = ".parquet"
    # By "train" in the name `load_dataset` knows a folder's files from its manifest.
    stem = "train"

    def __init__(self, folder: Path, encoding: Encoding, count: int, name: str) -> None:
        super().__init__(folder, encoding, count, name)
        self._file: Any = None

    def add(self, batch: Batch) -> None:
        table = self.encoding.table(batch)
        if self._file is None:
            self._file = self._open(table.schema)
        self._file.write_table(table, row_group_size=table.num_rows)

    def finish(self) -> None:
        self._file.close()

    def close(self) -> None:
        # What cannot be completed, such as on a full disk, is thrown away.
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()

    def _open(self, schema: pa.Schema) -> Any:
        import pyarrow.parquet as pq

        leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
        # Dictionaries and bounds of noise and of encoded pictures say nothing, and take most of the time.
        return pq.ParquetWriter(
            self.path,
            schema,
            compression="snappy",
            use_dictionary=[path for path, kind in leaves if _repeats(kind)],
            write_statistics=[path for path, _ in leaves if "." not in path],
        )


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """Yields the columns that a type is stored as, by their paths in the file."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind


def _repeats(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return not (pa.types.is_floating(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
