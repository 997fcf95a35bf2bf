"""Parquet files with a column of encoded images, plain bytes or Hugging Face's {bytes, path}."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthmill.kinds.base import CollectLimits, IssueReason, Item, Rejection
from synthmill.kinds.image.collect.references import find_beside
from synthmill.kinds.image.collect.splits import split_in, split_of
from synthmill.kinds.tables import read_features
from synthmill.runtime.errors import BadData, InvalidField

_IMAGE_NAMES = ("image", "images", "img", "picture", "photo", "bytes")
_LABEL_NAMES = ("label", "labels", "class", "target", "category", "y")
_BATCH_ROWS = 64


@dataclasses.dataclass(frozen=True)
class _Reading:
    """How to read one file.

    Attributes:
        image: column of images.
        label: column of labels, or None.
        class_names: what the numbers of the label column mean; empty if they mean themselves.
        split_column: column of splits, or None.
        split: split of the whole file, told by its name, or None.
    """

    image: str
    label: str | None
    class_names: list[str]
    split_column: str | None
    split: str | None


def find(folder: Path) -> list[Path]:
    """Returns the Parquet files of a folder and its "data" folder, as hubs lay them out, in order of name."""
    places = [folder, folder / "data"]
    return sorted(path for place in places for path in place.glob("*.parquet") if not path.is_symlink())


def collect(files: list[Path], label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    """Yields the rows of files, a few at a time.

    Args:
        label_from: a column, "none", or empty for one with a usual name.
    """
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                reading = _plan(path, file.schema_arrow, label_from, many=len(files) > 1)
                yield from _rows(path, file, reading, limits)
        except MemoryError:
            raise
        # Not all that is malformed makes it raise its own: text that is none, times that are none.
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise BadData(f"{path.name}: damaged: {error}", field="source_uri", value=path.name) from error


def _plan(path: Path, schema: pa.Schema, label_from: str, many: bool) -> _Reading:
    features = read_features(schema)
    image = _image_column(path, schema, features)
    label = _label_column(schema, label_from, image)
    declared = features.get(label, {}) if label else {}
    split_column = "split" if "split" in schema.names and label != "split" else None
    return _Reading(image, label, _class_names(declared), split_column, split_in(path.stem) if many else None)


def _class_names(declared: dict[str, Any]) -> list[str]:
    names = declared.get("names")
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else []


def _image_column(path: Path, schema: pa.Schema, features: dict[str, Any]) -> str:
    found = [field.name for field in schema if _holds_bytes(field.type)]
    declared = [name for name in found if features.get(name, {}).get("_type") == "Image"]
    usual = [name for name in found if name.lower() in _IMAGE_NAMES]
    choice = declared or usual or found
    if not choice:
        raise BadData(
            f"{path.name}: no column of image bytes among {', '.join(schema.names)}",
            field="source_uri",
            value=path.name,
            allowed="a binary column, or a struct of bytes and path",
        )
    return choice[0]


def _holds_bytes(column: pa.DataType) -> bool:
    if pa.types.is_struct(column):
        return any(column[i].name == "bytes" and _holds_bytes(column[i].type) for i in range(column.num_fields))
    return pa.types.is_binary(column) or pa.types.is_large_binary(column)


def _label_column(schema: pa.Schema, label_from: str, image: str) -> str | None:
    if label_from == "none":
        return None
    if label_from:
        others = [name for name in schema.names if name != image]
        if label_from not in others:
            raise InvalidField("label_from", label_from, "none, " + ", ".join(others))
        return label_from
    return next((name for name in schema.names if name.lower() in _LABEL_NAMES and name != image), None)


def _rows(path: Path, file: pq.ParquetFile, reading: _Reading, limits: CollectLimits) -> Iterator[Item | Rejection]:
    names = [name for name in (reading.image, reading.label, reading.split_column) if name]
    number = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=names):
        for row in batch.to_pylist():
            yield _item(path, f"{path.name}[{number}]", row, reading, limits)
            number += 1


def _item(path: Path, source: str, row: dict[str, Any], reading: _Reading, limits: CollectLimits) -> Item | Rejection:
    value = row[reading.image]
    payload = value.get("bytes") if isinstance(value, dict) else value
    named = value.get("path") if isinstance(value, dict) else None
    if payload is None:
        return _referenced(path, source, named, row, reading, limits)
    if len(payload) > limits.item_bytes:
        return Rejection(source, IssueReason.TOO_LARGE, f"{len(payload):,} bytes, allowed: {limits.item_bytes:,}")
    return _labelled(source, payload, row, reading, len(payload))


def _referenced(
    path: Path, source: str, named: object, row: dict[str, Any], reading: _Reading, limits: CollectLimits
) -> Item | Rejection:
    if not isinstance(named, str) or not named:
        return Rejection(source, IssueReason.MISSING, "the row has neither bytes nor a path")
    target = find_beside(path, named, source, limits)
    return target if isinstance(target, Rejection) else _labelled(source, target, row, reading, 0)


def _labelled(
    source: str, payload: Path | bytes, row: dict[str, Any], reading: _Reading, size_bytes: int
) -> Item | Rejection:
    value = row[reading.label] if reading.label else None
    names = reading.class_names
    if names and value is not None:
        if not isinstance(value, int) or not 0 <= value < len(names):
            return Rejection(source, IssueReason.BAD_LABEL, f"label {value}, allowed: 0 to {len(names) - 1}")
        value = names[value]
    split = row[reading.split_column] if reading.split_column else None
    split = split_of(str(split)) if split is not None else reading.split
    return Item(source, payload, None if value is None else str(value), split, size_bytes)
