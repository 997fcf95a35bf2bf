"""NumPy .npz files with an array of images and one of labels, also per split (x_train, y_test)."""

from __future__ import annotations

import dataclasses
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from synthmill.kinds.base import CollectLimits, Item, Rejection
from synthmill.kinds.image.collect.containers import DAMAGE
from synthmill.kinds.image.collect.splits import split_in, words
from synthmill.kinds.image.pixels import RawPixels
from synthmill.runtime.errors import BadData, InvalidField, ResourceExhausted

_IMAGE_WORDS = frozenset({"image", "images", "img", "imgs", "x", "data"})
_LABEL_WORDS = frozenset({"label", "labels", "y", "target", "targets"})
_BLOCK_BYTES = 4 * 1024 * 1024
_LABEL_BYTES = 4096
_ALLOWED = "arrays image, images or x, with label, labels or y, also per split as in x_train"


@dataclasses.dataclass(frozen=True)
class _Array:
    """One array of the file, not yet read.

    Attributes:
        info: where it is in the file.
        name: its name without ".npy".
        shape: all extents; the first counts the records.
        dtype: booleans or numbers.
    """

    info: zipfile.ZipInfo
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


@dataclasses.dataclass(frozen=True)
class _Part:
    images: _Array
    labels: _Array | None
    split: str | None


def collect(source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    """Yields the rows of the image arrays; memory holds one block of rows at a time.

    Args:
        label_from: an array, "none", or empty for one with a usual name.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
            if unpacked > limits.total_bytes:
                raise ResourceExhausted(
                    f"{source.name}: unpacks to {unpacked:,} bytes, allowed: {limits.total_bytes:,}", field="source_uri"
                )
            for part in _find_parts(archive, source.name, label_from, limits):
                yield from _read_part(archive, part, limits)
    # Encrypted members make the library raise a RuntimeError.
    except (*DAMAGE, RuntimeError) as error:
        raise BadData(f"{source.name}: damaged: {error}", field="source_uri", value=source.name) from error


def _find_parts(archive: zipfile.ZipFile, source: str, label_from: str, limits: CollectLimits) -> list[_Part]:
    arrays = [_describe(archive, info) for info in archive.infolist()]
    if label_from not in ("", "none") and label_from not in {array.name for array in arrays}:
        raise InvalidField("label_from", label_from, "none, " + ", ".join(array.name for array in arrays))
    labels = {split_in(array.name): array for array in arrays if _is_label(array, label_from)}
    images = [array for array in arrays if _IMAGE_WORDS & set(words(array.name)) and not _is_label(array, label_from)]
    if not images:
        names = ", ".join(array.name for array in arrays) or "none"
        raise BadData(f"{source}: no array of images among {names}; allowed: {_ALLOWED}", field="source_uri")
    parts = [_Part(array, labels.get(split), split) for array in images for split in [split_in(array.name)]]
    for part in parts:
        _check_part(part, limits)
    return sorted(parts, key=lambda part: part.split != "train")


def _is_label(array: _Array, label_from: str) -> bool:
    if label_from == "none":
        return False
    return array.name == label_from if label_from else bool(_LABEL_WORDS & set(words(array.name)))


def _check_part(part: _Part, limits: CollectLimits) -> None:
    shape = part.images.shape
    if part.images.dtype.kind not in "buif":
        raise BadData(f"{part.images.name} holds {part.images.dtype}, allowed: numbers", field=part.images.name)
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and not {shape[1], shape[3]} & {1, 3, 4}):
        raise BadData(
            f"{part.images.name} has shape {shape}, allowed: (N, H, W), (N, H, W, C) or (N, C, H, W), C of 1, 3 or 4",
            field=part.images.name,
            value=shape,
        )
    if part.labels and part.labels.shape not in ((shape[0],), (shape[0], 1)):
        raise BadData(
            f"{part.labels.name} has shape {part.labels.shape}, {part.images.name} has {shape[0]} images",
            field=part.labels.name,
            value=part.labels.shape,
            allowed=f"({shape[0]},)",
        )
    if shape[0] > limits.items:
        told = f"{part.images.name} has {shape[0]:,} images, allowed: {limits.items:,}"
        raise ResourceExhausted(told, field=part.images.name)
    if part.labels and part.labels.dtype.itemsize > _LABEL_BYTES:
        raise BadData(
            f"{part.labels.name} has labels of {part.labels.dtype.itemsize:,} bytes, allowed: {_LABEL_BYTES:,}",
            field=part.labels.name,
            value=part.labels.dtype.itemsize,
            allowed=f"at most {_LABEL_BYTES} bytes",
        )


def _read_part(archive: zipfile.ZipFile, part: _Part, limits: CollectLimits) -> Iterator[Item]:
    labels = None if part.labels is None else _read_labels(archive, part.labels)
    black, white = _range(archive, part.images, limits)
    row = 0
    for block in _blocks(archive, part.images, limits):
        for array in _channels_last(block):
            label = None if labels is None else str(labels[row])
            yield Item(f"{part.images.name}[{row}]", RawPixels(array, black, white), label, part.split, array.nbytes)
            row += 1


def _range(archive: zipfile.ZipFile, array: _Array, limits: CollectLimits) -> tuple[float, float]:
    """Returns the numbers that mean black and white, judged by the whole array."""
    if array.dtype == np.uint8:
        return 0.0, 255.0
    least, most = np.inf, -np.inf
    for block in _blocks(archive, array, limits):
        least, most = np.fmin(least, np.fmin.reduce(block, None)), np.fmax(most, np.fmax.reduce(block, None))
    least, most = float(least), float(most)
    if array.dtype.kind in "fb" and least >= -1 and most <= 1:
        return (-1.0, 1.0) if least < 0 else (0.0, 1.0)
    if least >= 0 and most <= 255:
        return 0.0, 255.0
    if least >= 0 and most <= 65_535:
        return 0.0, 65_535.0
    raise BadData(
        f"{array.name} has numbers from {least} to {most}, allowed: 0 to 1, -1 to 1, 0 to 255 or 0 to 65535",
        field=array.name,
        value=(least, most),
    )


def _channels_last(block: np.ndarray) -> np.ndarray:
    if block.ndim == 4 and block.shape[3] not in (1, 3, 4):
        return block.transpose(0, 2, 3, 1)
    return block


def _read_labels(archive: zipfile.ZipFile, array: _Array) -> np.ndarray:
    with archive.open(array.info) as stream:
        values = np.lib.format.read_array(stream, allow_pickle=False).ravel()
    if values.dtype.kind == "S":
        return np.char.decode(values)
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int64)
    return values


def _blocks(archive: zipfile.ZipFile, array: _Array, limits: CollectLimits) -> Iterator[np.ndarray]:
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    if row_bytes > limits.item_bytes:
        raise BadData(
            f"{array.name}: images of {row_bytes} bytes, allowed: at most {limits.item_bytes}", field=array.name
        )
    rows = max(1, _BLOCK_BYTES // row_bytes)
    with archive.open(array.info) as stream:
        _read_header(stream, array.name)
        for first in range(0, array.shape[0], rows):
            length = min(rows, array.shape[0] - first)
            data = stream.read(length * row_bytes)
            if len(data) != length * row_bytes:
                raise BadData(f"{array.name}: ends before row {array.shape[0]} that its header announces")
            yield np.frombuffer(data, array.dtype).reshape(length, *array.shape[1:])


def _describe(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Array:
    name = info.filename.removesuffix(".npy")
    with archive.open(info) as stream:
        shape, dtype = _read_header(stream, name)
        announced, held = math.prod(shape) * dtype.itemsize, info.file_size - stream.tell()
    if announced > held:
        raise BadData(
            f"{name}: ends after {held} of {announced} bytes that its header announces", field=name, value=shape
        )
    return _Array(info, name, shape, dtype)


def _read_header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)
    # NumPy reads a header as Python, and lets through whatever a malformed one makes that raise.
    except Exception as error:
        raise BadData(f"{name}: no NumPy array: {str(error) or type(error).__name__}", field=name) from error
    if any(extent < 0 for extent in shape):
        raise BadData(f"{name}: has shape {shape}, allowed: extents from 0", field=name, value=shape)
    if dtype.hasobject:
        raise BadData(f"{name}: holds Python objects, allowed: numbers and text", field=name, value=dtype)
    if fortran_order and len(shape) > 1:
        raise BadData(f"{name}: is in Fortran order, allowed: C order", field=name, value="fortran_order")
    return shape, dtype
