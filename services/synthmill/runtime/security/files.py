"""Files that a service's settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from synthmill.runtime.errors import InvalidField


def read_text(field: str, path: str) -> str:
    """Returns what is in a file that a setting names; raises `InvalidField` if it cannot be read."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidField(field, path, f"a readable file ({error})") from None


def read_yaml(field: str, path: str) -> Any:
    """Returns what is in a YAML file that a setting names; raises `InvalidField` if it cannot be read."""
    try:
        return yaml.safe_load(read_text(field, path))
    except yaml.YAMLError as error:
        raise InvalidField(field, path, f"a YAML file ({error})") from None
