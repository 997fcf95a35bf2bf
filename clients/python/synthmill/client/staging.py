"""Files and folders that appear whole or not at all: written under another name beside the place, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from synthmill.runtime.errors import AlreadyExists

MANIFEST = "manifest.json"
"""Name of the file by which a folder is known as one that was written here."""


def check_free(path: Path, *, overwrite: bool = False) -> None:
    """Checks that nothing is at a path but an empty folder, or what may be overwritten.

    Args:
        overwrite: whether a file, or a folder with a manifest in it, may be there.

    Raises:
        AlreadyExists: something else is.
    """
    if not path.exists() and not path.is_symlink():
        return
    if path.is_dir() and (not any(path.iterdir()) or (overwrite and (path / MANIFEST).is_file())):
        return
    if overwrite and path.is_file():
        return
    allowed = "a path where nothing is" + (f", a file, or a folder with a {MANIFEST}" if overwrite else " yet")
    raise AlreadyExists(f"out: {path} exists, allowed: {allowed}", field="out", value=str(path), allowed=allowed)


@contextlib.contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Lends a path to write to; what is there at the end of the with block replaces the file."""
    partial = _partial(path)
    try:
        yield partial
        publish_file(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def staged_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Lends a new folder; at the end of the with block it takes its place.

    Raises:
        AlreadyExists: something is in its place that may not be overwritten; see `check_free`.
    """
    with scratch_folder(path) as partial:
        check_free(path, overwrite=overwrite)
        yield partial
        check_free(path, overwrite=overwrite)
        old = _partial(path)
        if path.exists():
            path.rename(old)
        partial.rename(path)
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Lends a new folder beside a path; what is left in it at the end of the with block is gone."""
    folder = _partial(path)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_file(partial: Path, path: Path) -> None:
    """Gives a finished file its name."""
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes sure that a file, or the names in a folder, are on the disk: a rename may overtake the bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _partial(path: Path) -> Path:
    return path.absolute().parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
