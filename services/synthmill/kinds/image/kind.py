"""The image kind: pictures of one size, grey or RGB, as uint8 (H, W, C)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synthmill.kinds.base import CollectLimits, Columns, Item, Kind, Record, Rejection, Schema
from synthmill.kinds.image import codec, fingerprint, pixels
from synthmill.kinds.image.collect import collect
from synthmill.kinds.image.hyper_parameters import FAMILIES
from synthmill.kinds.image.parameters import ImageImport
from synthmill.kinds.image.picture import picture
from synthmill.kinds.image.schema import shape_of
from synthmill.kinds.image.statistics import statistics


class ImageKind(Kind):
    """Images. Schema: {"height", "width", "channels"}; one column "image", uint8 (H, W, C)."""

    name = "image"
    import_parameters = ImageImport
    learning_module = "synthmill.kinds.image.learning"
    augmentation_module = "synthmill.kinds.image.augmentation.side"
    hyper_parameters = FAMILIES
    near_duplicate_bits = fingerprint.NEAR_DUPLICATE_BITS

    def collect(self, source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
        return collect(source, label_from, limits)

    def resolve_schema(self, parameters: ImageImport, items: Sequence[Item]) -> Schema:
        return pixels.infer_schema(parameters, items)

    def columns(self, schema: Schema) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        return {codec.COLUMN: (np.dtype(np.uint8), shape_of(schema))}

    def decode(self, item: Item, schema: Schema, parameters: ImageImport) -> Record | Rejection:
        return pixels.decode(item, schema, parameters)

    def fingerprint(self, batch: Columns) -> np.ndarray:
        return fingerprint.fingerprint(batch[codec.COLUMN])

    def nearly_equal(self, first: Columns, second: Columns) -> np.ndarray:
        return fingerprint.nearly_equal(first[codec.COLUMN], second[codec.COLUMN])

    def statistics(self, schema: Schema, batches: Iterable[Columns]) -> dict[str, Any]:
        return statistics(shape_of(schema)[2], (batch[codec.COLUMN] for batch in batches))

    def to_table(self, batch: Columns, schema: Schema, labels: Sequence[str] = ()) -> pa.Table:
        return codec.to_table(batch, labels)

    def from_table(self, table: pa.Table, schema: Schema) -> Columns:
        return codec.from_table(table, schema)

    def to_files(self, record: Columns, schema: Schema) -> dict[str, bytes]:
        return {"png": codec.to_png(record[codec.COLUMN])}

    def read_file(self, data: bytes) -> Columns:
        # Only what augments needs the libraries that this one loads.
        from synthmill.kinds.image.encoded import read_encoded

        return {codec.COLUMN: read_encoded(data)}

    def schema_of(self, record: Columns) -> Schema:
        height, width, channels = record[codec.COLUMN].shape
        return {"height": height, "width": width, "channels": channels}

    def picture(self, batch: Columns, schema: Schema, captions: Sequence[str], columns: int) -> bytes:
        return picture(batch[codec.COLUMN], captions, columns)
