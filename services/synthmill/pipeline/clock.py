"""Time spent on a loop, over all attempts at it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from synthmill.runtime.jobs.publication import write_durably

_INTERVAL_S = 2.0


class Clock:
    """Counts the time that is spent; time between two attempts does not count.

    Args:
        path: of a file that holds it, a few seconds old at most.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before_s: float = json.loads(path.read_bytes())["spent_s"] if path.exists() else 0.0
        self._began = self._kept = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Time spent so far, in seconds."""
        return self._before_s + time.monotonic() - self._began

    def keep(self) -> None:
        """Writes the time down, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._kept >= _INTERVAL_S:
            self._kept = now
            write_durably(self._path, json.dumps({"spent_s": self.spent_s}).encode())
