"""What has been measured, as JSON in a folder: a second attempt does not measure it again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthmill.learning.checkpoint import write_atomically


def remember(path: Path, measure: Callable[[], Any]) -> Any:
    """Returns what a file holds; where there is none, measures it and writes it down first.

    What is returned has been read back from the file either way, so that nothing differs between a first attempt and a
    second.

    Args:
        path: of the JSON file.
        measure: returns JSON, with finite numbers alone.
    """
    if not path.exists():
        write_atomically(path, json.dumps(measure(), allow_nan=False).encode())
    return json.loads(path.read_bytes())
