"""A folder per class, plain or in an archive, also with train, validation and test above."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TextIO

from synthmill.kinds.base import CollectLimits, IssueReason, Item, Rejection
from synthmill.kinds.image.collect.containers import Container, Entry
from synthmill.kinds.image.collect.layout import find_layout
from synthmill.kinds.image.collect.listing import read_listing
from synthmill.runtime.errors import BadData, InvalidField


def collect(container: Container, label_from: str, limits: CollectLimits) -> Iterator[Item | Rejection]:
    """Yields the files of a container as items.

    Args:
        label_from: "folder", "none", the name of a CSV file inside with paths and labels, or empty for folders where
            there are any.
    """
    layout = find_layout(entry.name for entry in container.entries() if entry.name != label_from)
    listed = _Labels(container, label_from) if label_from not in ("", "folder", "none") else None
    if label_from == "folder" and not layout.has_labels:
        raise InvalidField(
            "label_from", label_from, "none or the name of a CSV file: the source has no folder per class"
        )
    empty = True
    for entry in container.entries():
        if entry.name == label_from:
            continue
        empty = False
        label, split = layout.place(entry.name)
        if listed:
            label = listed.pop(entry.name)
        yield _item(entry, label if label_from != "none" else None, split)
    if empty:
        raise BadData(f"{container.name}: holds no files", field="source_uri", value=container.name)
    if listed:
        yield from listed.unused()


def _item(entry: Entry, label: str | None, split: str | None) -> Item | Rejection:
    if entry.rejection:
        return entry.rejection
    try:
        payload = entry.load()
    # An archive with one damaged file still has the others.
    except Exception as error:
        return Rejection(entry.name, IssueReason.CORRUPT, f"cannot be unpacked: {error}")
    return Item(entry.name, payload, label, split, 0 if isinstance(payload, Path) else len(payload))


class _Labels:
    """Labels by path, from a CSV file of the container."""

    def __init__(self, container: Container, name: str) -> None:
        self._file = name
        self._labels = {row.path: row.label for row in read_listing(_read_text(container, name), name, "")}
        self._wanted = set(self._labels)

    def pop(self, path: str) -> str | None:
        """Returns the label of a path, listed in full, by file name, or by file name without its ending."""
        pure = PurePosixPath(path)
        for key in (path, pure.name, pure.stem):
            if key in self._labels:
                self._wanted.discard(key)
                return self._labels[key]
        return None

    def unused(self) -> Iterator[Rejection]:
        for path in self._labels:
            if path in self._wanted:
                yield Rejection(path, IssueReason.MISSING, f"{self._file} names it, the source does not have it")


def _read_text(container: Container, name: str) -> TextIO:
    for entry in container.entries():
        if entry.name == name and not entry.rejection:
            payload = entry.load()
            data = payload.read_bytes() if isinstance(payload, Path) else payload
            return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    raise InvalidField("label_from", name, "folder, none, or the name of a CSV file in the source")
