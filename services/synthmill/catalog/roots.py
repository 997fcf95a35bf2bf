"""Which places of the file system an import may read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from synthmill.runtime.errors import InvalidField, PermissionDenied

_ALLOWED = "a path or file:// URI of a file or folder under one of the allowed roots"


def parse_roots(text: str) -> list[Path]:
    """Returns the folders of a list separated by `os.pathsep`; the current folder if it is empty."""
    return [Path(part).resolve() for part in text.split(os.pathsep) if part] or [Path.cwd().resolve()]


def resolve_source(uri: str, roots: Sequence[Path]) -> Path:
    """Returns the real path of a source, links followed.

    Raises:
        InvalidField: it is no path, or nothing is there.
        PermissionDenied: it lies outside the allowed roots, whether it exists or not.
    """
    try:
        path = Path(_path_of(uri)).resolve()
    except (ValueError, OSError, RuntimeError):
        raise InvalidField("source_uri", uri, _ALLOWED) from None
    if not any(path.is_relative_to(root) for root in roots):
        raise PermissionDenied(
            f"source_uri: got {uri!r}, which is outside the allowed roots",
            field="source_uri",
            value=uri,
            allowed=_ALLOWED,
        )
    if not _is_source(path):
        raise InvalidField("source_uri", uri, _ALLOWED + "; nothing is there that can be read")
    return path


def _is_source(path: Path) -> bool:
    try:
        return path.is_file() or path.is_dir()
    # No file system has a name like that, or it may not be looked at.
    except OSError:
        return False


def _path_of(uri: str) -> str:
    if not uri or "\0" in uri:
        raise ValueError
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ValueError
    return unquote(parts.path)
