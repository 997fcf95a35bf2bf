"""Files that a list or a table names by path: those beside it, and no others."""

from __future__ import annotations

from pathlib import Path

from synthmill.kinds.base import CollectLimits, IssueReason, Rejection


def find_beside(named_by: Path, name: str, source: str, limits: CollectLimits) -> Path | Rejection:
    """Returns the real path of a file in, or below, the folder of the file that names it; or why there is none.

    Args:
        named_by: the list or table.
        name: path relative to its folder.
        source: what to call the item.
    """
    base = named_by.parent.resolve()
    try:
        path = (base / name).resolve()
        if not path.is_relative_to(base):
            return Rejection(source, IssueReason.UNSAFE_PATH, f"the path leaves the folder of {named_by.name}")
        if not name or not path.is_file():
            return Rejection(source, IssueReason.MISSING, "there is no such file")
        size_bytes = path.stat().st_size
    # No file system has a name like that, or a link leads to itself.
    except (OSError, ValueError, RuntimeError):
        return Rejection(source, IssueReason.MISSING, "there can be no such file")
    if size_bytes > limits.item_bytes:
        return Rejection(source, IssueReason.TOO_LARGE, f"{size_bytes:,} bytes, allowed: {limits.item_bytes:,}")
    return path
