"""The IDX format of MNIST: big-endian files of unsigned bytes, an image file beside a label file, .gz too."""

from __future__ import annotations

import dataclasses
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from synthmill.kinds.base import CollectLimits, Item, Rejection
from synthmill.kinds.image.collect.splits import split_in
from synthmill.kinds.image.pixels import RawPixels
from synthmill.runtime.errors import BadData, InvalidField, ResourceExhausted

_UNSIGNED_BYTE = 0x08
_BLOCK_BYTES = 4 * 1024 * 1024
_IMAGES = re.compile(r"images|idx3|idx4")


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image file, its label file if it has one, and the split that its name tells."""

    images: Path
    labels: Path | None
    split: str | None


def is_idx(path: Path) -> bool:
    """Tells whether a file begins like an IDX file of images."""
    try:
        with _open(path) as stream:
            start = stream.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return len(start) == 4 and start[:3] == bytes([0, 0, _UNSIGNED_BYTE]) and start[3] in (3, 4)


def pair_file(images: Path, label_from: str) -> Pair:
    """Finds the label file of an image file: the one named by `label_from`, else the one with the matching name.

    Raises:
        InvalidField: there is no file of that name beside it.
    """
    return Pair(images, _label_file(images, label_from), split_in(images.name))


def pair_folder(folder: Path, label_from: str) -> list[Pair]:
    """Finds the pairs of a folder, training first; empty if it holds no IDX files."""
    candidates = (path for path in folder.iterdir() if path.is_file() and not path.is_symlink())
    found = [path for path in candidates if _IMAGES.search(path.name) and is_idx(path)]
    if len(found) > 1 and label_from not in ("", "none"):
        raise InvalidField("label_from", label_from, f"none or empty: the folder has {len(found)} image files")
    pairs = [pair_file(path, label_from) for path in found]
    return sorted(pairs, key=lambda pair: (pair.split != "train", pair.images.name))


def collect(pairs: list[Pair] | Pair, limits: CollectLimits) -> Iterator[Item | Rejection]:
    """Yields the images of pairs, labelled with the digit of the label file.

    Raises:
        BadData: a file is malformed or too short, or the two of a pair differ in length.
    """
    pairs = [pairs] if isinstance(pairs, Pair) else pairs
    for pair in pairs:
        _check_lengths(pair, limits)
    for pair in pairs:
        yield from _read_pair(pair, limits)


def _label_file(images: Path, label_from: str) -> Path | None:
    if label_from == "none":
        return None
    if label_from:
        named = images.parent / Path(label_from).name
        if label_from == "folder" or label_from != named.name or not named.is_file() or named.is_symlink():
            raise InvalidField("label_from", label_from, "none, or the name of a label file beside the images")
        return named
    guess = re.sub(r"idx[34]", "idx1", images.name.replace("images", "labels"))
    stem = guess.removesuffix(".gz")
    options = [images.parent / name for name in (guess, stem, stem + ".gz")]
    return next((path for path in options if path != images and path.is_file() and not path.is_symlink()), None)


def _check_lengths(pair: Pair, limits: CollectLimits) -> None:
    image_count = _read_shape(pair.images)[0]
    if image_count > limits.items:
        told = f"{pair.images.name}: {image_count:,} images, allowed: {limits.items:,}"
        raise ResourceExhausted(told, field=pair.images.name)
    label_count = _read_shape(pair.labels)[0] if pair.labels else image_count
    if image_count != label_count:
        raise BadData(
            f"{pair.labels.name} has {label_count} labels, {pair.images.name} has {image_count} images",
            field="source_uri",
            value=label_count,
            allowed=image_count,
        )


def _read_pair(pair: Pair, limits: CollectLimits) -> Iterator[Item]:
    labels = _read_labels(pair.labels) if pair.labels else None
    with _open(pair.images) as stream:
        count, *shape = _header(stream, pair.images.name)
        size = math.prod(shape)
        if not 0 < size <= limits.item_bytes:
            told = f"{pair.images.name}: images of {size} bytes, allowed: 1 to {limits.item_bytes}"
            raise BadData(told, field=pair.images.name)
        rows = max(1, _BLOCK_BYTES // size)
        for first in range(0, count, rows):
            length = min(rows, count - first)
            block = np.frombuffer(_exactly(stream, length * size, pair.images.name), np.uint8).reshape(length, *shape)
            for row, array in enumerate(block, first):
                label = None if labels is None else str(labels[row])
                yield Item(f"{pair.images.name}[{row}]", RawPixels(array), label, pair.split, size)
        _end(stream, pair.images.name)


def _read_labels(path: Path) -> np.ndarray:
    with _open(path) as stream:
        (count,) = _header(stream, path.name)
        labels = np.frombuffer(_exactly(stream, count, path.name), np.uint8)
        _end(stream, path.name)
        return labels


def _read_shape(path: Path) -> tuple[int, ...]:
    with _open(path) as stream:
        return _header(stream, path.name)


def _header(stream: BinaryIO, name: str) -> tuple[int, ...]:
    start = _exactly(stream, 4, name)
    if start[:3] != bytes([0, 0, _UNSIGNED_BYTE]) or start[3] not in (1, 3, 4):
        raise BadData(
            f"{name}: begins with {start.hex()}, no IDX file of unsigned bytes", field=name, value=start.hex()
        )
    return tuple(int.from_bytes(_exactly(stream, 4, name), "big") for _ in range(start[3]))


def _exactly(stream: BinaryIO, size: int, name: str) -> bytes:
    data = _read(stream, size, name)
    if len(data) != size:
        raise BadData(f"{name}: ends after {len(data)} of {size} bytes that its header announces", field=name)
    return data


def _end(stream: BinaryIO, name: str) -> None:
    # Only at its end does a compressed file check its sum.
    if _read(stream, 1, name):
        raise BadData(f"{name}: has more bytes than its header announces", field=name)


def _read(stream: BinaryIO, size: int, name: str) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{name}: damaged: {error}", field=name) from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")
