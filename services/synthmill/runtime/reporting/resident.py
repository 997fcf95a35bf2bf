"""How much memory processes have, as Linux tells it; elsewhere it is not known."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process, in bytes; zero if that is not known, or it has ended."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def descendants(pid: int) -> Iterator[int]:
    """Yields the processes that a process has started, and those that they have started."""
    for child in _children(pid):
        yield child
        yield from descendants(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for listed in (_PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text().split())
    return found
