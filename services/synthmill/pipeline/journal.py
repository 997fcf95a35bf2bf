"""What a loop has done, once and for all: an outcome by key, on the disk before the next thing begins."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """Outcomes of one loop by key, in the order in which they came.

    Whatever ends the process, the next one finds all that were added, each whole, and makes none of them again.

    Args:
        path: of its file, a line of JSON for each outcome.

    Attributes:
        is_fresh: whether this journal has been added to since it was opened; before, a loop goes over old ground.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_fresh = False
        self._outcomes: dict[str, Any] = {}
        if path.exists():
            self._read()

    def __contains__(self, key: str) -> bool:
        return key in self._outcomes

    def __getitem__(self, key: str) -> Any:
        return self._outcomes[key]

    def find(self, name: str) -> list[Any]:
        """Returns what all outcomes that are mappings have under a name, in the order in which they came."""
        outcomes = self._outcomes.values()
        return [outcome[name] for outcome in outcomes if isinstance(outcome, dict) and name in outcome]

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns the outcome of a key, and makes it if there is none.

        Args:
            key: of what is done.
            make: does it, and returns the outcome as JSON; may use other keys.
        """
        if key not in self._outcomes:
            outcome = make()
            self._append(json.dumps([key, outcome]) + "\n")
            # As it will be read, so that a resumed loop sees the same.
            self._outcomes[key] = json.loads(json.dumps(outcome))
            self.is_fresh = True
        return self._outcomes[key]

    def _append(self, line: str) -> None:
        with self._path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> None:
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            # The process ended while it wrote its last line.
            os.truncate(self._path, len(whole))
        self._outcomes = dict(json.loads(line) for line in whole.splitlines())
