"""Reads class and split off the folders of a path."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import PurePosixPath

from synthmill.kinds.image.collect.splits import split_of
from synthmill.kinds.image.pixels import SUFFIXES

Folders = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Layout:
    """What the folders of a source mean.

    Attributes:
        root: folders above everything, which mean nothing.
        has_splits: whether the next folder is a split.
        has_labels: whether the folder after that is a class.
    """

    root: Folders
    has_splits: bool
    has_labels: bool

    def place(self, name: str) -> tuple[str | None, str | None]:
        """Returns (label, split) of a path; None for what its folders do not say."""
        folders = PurePosixPath(name).parent.parts
        if folders[: len(self.root)] == self.root:
            folders = folders[len(self.root) :]
        split = split_of(folders[0]) if self.has_splits and folders else None
        if split is not None:
            folders = folders[1:]
        return (folders[0] if self.has_labels and folders else None), split


def find_layout(names: Iterable[str]) -> Layout:
    """Works out the layout from the paths of a source.

    A single folder that holds nothing but folders, as archives have it, means nothing; folders that are all named like
    splits are splits; the next level, where there is one, is the class.
    """
    parents = _image_folders(names)
    root: Folders = ()
    while (inner := _only_folder(parents)) is not None:
        root += (inner,)
        parents = {folders[1:] for folders in parents if folders}
    tops = {folders[0] for folders in parents if folders}
    has_splits = bool(tops) and all(split_of(top) for top in tops)
    has_labels = any(len(folders) > has_splits for folders in parents)
    return Layout(root, has_splits, has_labels)


def _image_folders(names: Iterable[str]) -> set[Folders]:
    images: set[Folders] = set()
    others: set[Folders] = set()
    for name in names:
        path = PurePosixPath(name)
        (images if path.suffix.lower() in SUFFIXES else others).add(path.parent.parts)
    return images or others


def _only_folder(parents: set[Folders]) -> str | None:
    tops = {folders[0] for folders in parents if folders}
    if len(tops) != 1 or () in parents:
        return None
    (top,) = tops
    return None if (top,) in parents or split_of(top) else top
