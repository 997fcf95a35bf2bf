"""Images to stored bytes and back: PNG, in tables that `datasets.load_dataset` reads as images."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from PIL import Image

from synthmill.kinds.base import Columns, Schema
from synthmill.kinds.image.schema import shape_of
from synthmill.kinds.tables import make_table, plain_columns
from synthmill.runtime.errors import BadData

COLUMN = "image"
_STORED_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def to_table(batch: Columns, labels: Sequence[str]) -> pa.Table:
    """Encodes a batch; "image" is uint8 (N, H, W, C), further columns are (N,)."""
    stored = pa.array([{"bytes": to_png(pixels), "path": None} for pixels in batch[COLUMN]], _STORED_TYPE)
    return make_table({COLUMN: (stored, {"_type": "Image"})}, batch, labels)


def from_table(table: pa.Table, schema: Schema) -> Columns:
    """Decodes a table made by `to_table`.

    Raises:
        BadData: an image is damaged or has another shape than the schema.
    """
    shape = shape_of(schema)
    images = np.empty((table.num_rows, *shape), dtype=np.uint8)
    for row, stored in enumerate(table[COLUMN].to_pylist()):
        images[row] = _from_png(row, stored["bytes"], shape)
    return {COLUMN: images, **plain_columns(table, [COLUMN])}


def to_png(pixels: np.ndarray) -> bytes:
    """Encodes uint8 (H, W, C), C of 1 or 3, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _from_png(row: int, data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if (image.height, image.width, len(image.getbands())) != shape:
                raise BadData(
                    f"row {row}: image of {image.height} x {image.width} x {len(image.getbands())}, expected {shape}"
                )
            return np.asarray(image).reshape(shape)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadData(f"row {row}: damaged image: {error}") from error
