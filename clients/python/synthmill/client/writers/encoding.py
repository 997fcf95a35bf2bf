"""What a sample looks like in files: its kind's codec, schema and class names."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from synthmill.client.batches import Batch
from synthmill.kinds.base import Columns, Schema
from synthmill.kinds.registry import all_kinds
from synthmill.v1 import model_pb2

if TYPE_CHECKING:
    import pyarrow as pa

LABEL = "label"
"""Column of positions in the list of class names."""


class Codec(Protocol):
    """The part of `Kind` that a writer needs."""

    def to_table(self, batch: Columns, schema: Schema, labels: Sequence[str] = ()) -> pa.Table:
        """As `Kind.to_table`."""

    def to_files(self, record: Columns, schema: Schema) -> dict[str, bytes]:
        """As `Kind.to_files`."""


class ArrayCodec:
    """Arrays and nothing more, for samples whose kind is not installed here or says no more."""

    def to_table(self, batch: Columns, schema: Schema, labels: Sequence[str] = ()) -> pa.Table:
        """Stores each array as a list of fixed length, nested for each further axis."""
        from synthmill.kinds.tables import make_table

        encoded = {name: _nested(array) for name, array in batch.items() if array.ndim > 1}
        return make_table(encoded, batch, labels)

    def to_files(self, record: Columns, schema: Schema) -> dict[str, bytes]:
        """Stores each column as a .npy file."""
        return {f"{name}.npy": _to_npy(array) for name, array in record.items()}


@dataclasses.dataclass(frozen=True)
class Encoding:
    """What a sample looks like in files.

    Attributes:
        codec: how its columns are encoded.
        schema: the kind's schema.
        labels: class names; empty if there are none.
    """

    codec: Codec
    schema: Schema
    labels: tuple[str, ...] = ()

    @classmethod
    def of_model(cls, model: model_pb2.Model, schema: Mapping[str, Any]) -> Self:
        """Returns the encoding of a model's samples."""
        return cls(all_kinds().get(model.kind, ArrayCodec()), dict(schema), tuple(model.labels))

    def table(self, batch: Batch) -> pa.Table:
        """Encodes samples for Parquet."""
        return self.codec.to_table(batch.columns, self.schema, self.labels)

    def files(self, batch: Batch, row: int) -> dict[str, bytes]:
        """Encodes one sample as files by extension, without its label."""
        record = {name: array[row] for name, array in batch.columns.items() if name != LABEL}
        return self.codec.to_files(record, self.schema)

    def label(self, batch: Batch, row: int) -> int | None:
        """Returns the label of one sample, or None if it has none."""
        return int(batch[LABEL][row]) if self.labels and LABEL in batch.columns else None


def _nested(array: np.ndarray) -> tuple[pa.Array, dict[str, Any]]:
    import pyarrow as pa

    stored = pa.array(array.reshape(-1))
    feature: dict[str, Any] = {"dtype": str(array.dtype), "_type": "Value"}
    for extent in reversed(array.shape[1:]):
        stored = pa.FixedSizeListArray.from_arrays(stored, extent)
        feature = {"feature": feature, "length": extent, "_type": "List"}
    return stored, feature


def _to_npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
