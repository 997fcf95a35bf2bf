"""How much memory processes take, as the kernel tells it."""

from __future__ import annotations

import contextlib
import re
import threading
from pathlib import Path

from support.cluster import children_of

_EVERY_S = 0.01


def resident_mb(pid: int, figure: str = "VmRSS") -> float:
    """Returns what a process has in memory, in MiB; `VmHWM` is the most it has had. 0 once it is gone."""
    with contextlib.suppress(OSError):
        found = re.search(rf"{figure}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


class MemoryWatch:
    """Watches a service and its workers for the length of a with block.

    Attributes:
        peaks: the most that each process has had in memory, in MiB, by process id.
    """

    def __init__(self, pid: int) -> None:
        self.peaks: dict[int, float] = {}
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            for pid in (self._pid, *children_of(self._pid)):
                self.peaks[pid] = max(self.peaks.get(pid, 0.0), resident_mb(pid, "VmHWM"))
