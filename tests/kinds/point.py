"""A toy kind that lives in the tests alone: rows of numbers from a CSV file, with a class in the last column.

It proves that nothing outside `kinds/image` knows of images. SYNTHMILL_KINDS=kinds.point makes a service load it.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from synthmill.kinds.base import (
    CollectLimits,
    Columns,
    IssueReason,
    Item,
    Kind,
    Record,
    Rejection,
    Schema,
    parameter,
)
from synthmill.kinds.families import AdversarialParameters, VariationalParameters
from synthmill.kinds.tables import make_table, plain_columns
from synthmill.runtime.errors import BadData, InvalidField

POSITION = "position"
WEIGHT = "weight"


@dataclasses.dataclass(frozen=True)
class PointImport:
    """Parameters of a point import."""

    scale: float = parameter(1.0, "factor that every coordinate is multiplied with", above=0.0)


@dataclasses.dataclass(frozen=True)
class PointGan(AdversarialParameters):
    """Hyper-parameters of a point GAN."""

    latent_size: int = parameter(4, "dimensions of the latent vector", minimum=1)


@dataclasses.dataclass(frozen=True)
class PointVae(VariationalParameters):
    """Hyper-parameters of a point VAE."""

    latent_size: int = parameter(4, "dimensions of the latent vector", minimum=1)


class PointKind(Kind):
    """Points. Schema: {"axes": D}; columns "position" float32 (D,) and "weight" float32 ()."""

    name = "point"
    import_parameters = PointImport
    learning_module = "kinds.point_learning"
    hyper_parameters = MappingProxyType({"gan": PointGan, "vae": PointVae})
    near_duplicate_bits = 0

    def collect(self, source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
        if label_from not in ("", "none", "class"):
            raise InvalidField("label_from", label_from, "none or class")
        with source.open(newline="", errors="replace") as stream:
            for number, (*cells, label) in enumerate(csv.reader(stream)):
                yield Item(f"row {number}", cells, label if label_from != "none" else None)

    def resolve_schema(self, parameters: PointImport, items: Sequence[Item]) -> Schema:
        if not items or not items[0].payload:
            raise BadData("no rows of numbers")
        return {"axes": len(items[0].payload)}

    def columns(self, schema: Schema) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        return {
            POSITION: (np.dtype(np.float32), (int(schema["axes"]),)),
            WEIGHT: (np.dtype(np.float32), ()),
        }

    def decode(self, item: Item, schema: Schema, parameters: PointImport) -> Record | Rejection:
        try:
            position = np.array([float(cell) for cell in item.payload], np.float32) * np.float32(parameters.scale)
        except ValueError as error:
            return Rejection(item.source, IssueReason.CORRUPT, str(error))
        if position.shape != (int(schema["axes"]),) or not np.isfinite(position).all():
            return Rejection(item.source, IssueReason.UNSUPPORTED_FORMAT, f"{len(position)} numbers")
        weight = np.float32(np.linalg.norm(position))
        return Record({POSITION: position, WEIGHT: np.asarray(weight)}, {"sign": str(math.copysign(1, position[0]))})

    def fingerprint(self, batch: Columns) -> np.ndarray:
        rounded = np.round(batch[POSITION].astype(np.float64), 2)
        return np.array([zlib.crc32(row.tobytes()) for row in rounded], np.uint64)

    def nearly_equal(self, first: Columns, second: Columns) -> np.ndarray:
        return np.abs(first[POSITION] - second[POSITION]).max(axis=1) < 0.01

    def statistics(self, schema: Schema, batches: Iterable[Columns]) -> dict[str, Any]:
        positions = np.concatenate([batch[POSITION] for batch in batches])
        return {"mean": positions.mean(axis=0).tolist()}

    def to_table(self, batch: Columns, schema: Schema, labels: Sequence[str] = ()) -> pa.Table:
        stored = pa.array(batch[POSITION].tolist(), pa.list_(pa.float32()))
        feature = {"_type": "Sequence", "feature": {"dtype": "float32", "_type": "Value"}}
        return make_table({POSITION: (stored, feature)}, batch, labels)

    def from_table(self, table: pa.Table, schema: Schema) -> Columns:
        positions = np.array(table[POSITION].to_pylist(), np.float32)
        if positions.shape != (table.num_rows, int(schema["axes"])):
            raise BadData(f"positions of shape {positions.shape}")
        return {POSITION: positions, **plain_columns(table, [POSITION])}

    def to_files(self, record: Columns, schema: Schema) -> dict[str, bytes]:
        return {"json": json.dumps(record[POSITION].tolist()).encode()}

    def picture(self, batch: Columns, schema: Schema, captions: Sequence[str], columns: int) -> bytes:
        sheet = Image.new("L", (200, 200), 255)
        draw = ImageDraw.Draw(sheet)
        for x, y in batch[POSITION][:, :2]:
            draw.point((100 + float(x), 100 + float(y)), 0)
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG")
        return buffer.getvalue()


KIND = PointKind()
