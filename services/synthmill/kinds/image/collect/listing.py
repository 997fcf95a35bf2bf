"""A CSV file that lists paths of images and their labels."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TextIO

from synthmill.kinds.base import CollectLimits, Item, Rejection
from synthmill.kinds.image.collect.references import find_beside
from synthmill.kinds.image.collect.splits import split_of
from synthmill.kinds.image.pixels import SUFFIXES
from synthmill.runtime.errors import BadData, InvalidField

PATH_COLUMNS = ("path", "file_name", "filename", "file", "filepath", "image_path", "image", "img", "id")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "target", "category", "y")
SPLIT_COLUMN = "split"
_LINE_CHARACTERS = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a listing; `label` and `split` are None where it has none."""

    number: int
    path: str
    label: str | None
    split: str | None


@dataclasses.dataclass(frozen=True)
class _Header:
    path: int
    label: int | None
    split: int | None
    is_data: bool


def collect(source: Path, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    """Yields the images that a CSV file lists, by paths relative to its own folder.

    Args:
        label_from: a column, "none", or empty for the column with a usual name, else the only other one.
    """
    if label_from == "folder":
        raise InvalidField("label_from", label_from, "none or a column: the source is a list of paths")
    with source.open(encoding="utf-8-sig", newline="") as stream:
        for row in read_listing(stream, source.name, label_from):
            yield _item(source, row, limits)


def read_listing(stream: TextIO, name: str, label_from: str) -> Iterator[Row]:
    """Yields the rows of a listing, with or without a header line.

    Raises:
        BadData: it is no CSV file, is empty, or has no column of paths.
        InvalidField: it has no column `label_from`.
    """
    rows = csv.reader(_lines(stream, name))
    try:
        first = next((cells for cells in rows if cells), None)
        if first is None:
            raise BadData(f"{name}: the file is empty", field="source_uri", value=name)
        header = _read_header(first, name, label_from)
        if header.is_data:
            yield _row(rows.line_num, first, header)
        for cells in rows:
            if cells:
                yield _row(rows.line_num, cells, header)
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadData(f"{name}: no CSV file in UTF-8: {error}", field="source_uri", value=name) from error


def _lines(stream: TextIO, name: str) -> Iterator[str]:
    while line := stream.readline(_LINE_CHARACTERS):
        if len(line) == _LINE_CHARACTERS and not line.endswith("\n"):
            raise BadData(
                f"{name}: a line has more than {_LINE_CHARACTERS:,} characters", field="source_uri", value=name
            )
        yield line


def _read_header(cells: Sequence[str], name: str, label_from: str) -> _Header:
    names = [cell.strip() for cell in cells]
    lower = [cell.lower() for cell in names]
    path = next((lower.index(column) for column in PATH_COLUMNS if column in lower), None)
    if path is None:
        if PurePosixPath(names[0]).suffix.lower() in SUFFIXES:
            return _Header(0, _label_of_plain(names, label_from), None, True)
        raise BadData(
            f"{name}: no column of paths among {', '.join(names)}; allowed: {', '.join(PATH_COLUMNS)}",
            field="source_uri",
            value=name,
        )
    split = lower.index(SPLIT_COLUMN) if SPLIT_COLUMN in lower else None
    return _Header(path, _label_column(names, {path, split}, label_from), split, False)


def _label_column(names: Sequence[str], taken: set[int | None], label_from: str) -> int | None:
    others = [position for position in range(len(names)) if position not in taken]
    if label_from == "none":
        return None
    if label_from:
        if label_from not in names:
            raise InvalidField("label_from", label_from, "none, " + ", ".join(names[p] for p in others))
        return names.index(label_from)
    usual = [position for position in others if names[position].lower() in LABEL_COLUMNS]
    if usual:
        return usual[0]
    return others[0] if len(others) == 1 else None


def _label_of_plain(cells: Sequence[str], label_from: str) -> int | None:
    if label_from not in ("", "none"):
        raise InvalidField("label_from", label_from, "none or empty: the list has no line of column names")
    return 1 if len(cells) > 1 and label_from != "none" else None


def _row(number: int, cells: Sequence[str], header: _Header) -> Row:
    def cell(position: int | None) -> str | None:
        return cells[position].strip() or None if position is not None and position < len(cells) else None

    split = cell(header.split)
    return Row(number, cell(header.path) or "", cell(header.label), split_of(split) if split else None)


def _item(listing: Path, row: Row, limits: CollectLimits) -> Item | Rejection:
    source = f"{listing.name}:{row.number} {row.path}"
    found = find_beside(listing, row.path, source, limits)
    return found if isinstance(found, Rejection) else Item(source, found, row.label, row.split)
