"""Arrays in files of NumPy's format."""

from __future__ import annotations

import threading
from pathlib import Path
from tokenize import TokenError

import numpy as np

# Python 3.11 counts together how deep the texts are that several threads parse, and NumPy parses a file's header.
_parsing = threading.Lock()


def open_array(path: str | Path) -> np.ndarray:
    """Returns the array of a .npy file, memory-mapped and read-only.

    Raises:
        ValueError: it is no such file, or its array is one of objects.
        OSError: it cannot be read.
    """
    try:
        with _parsing:
            return np.lib.format.open_memmap(path, mode="r")
    # A damaged header ends NumPy's reading of it in all sorts of ways.
    except (EOFError, OverflowError, SyntaxError, TokenError, TypeError) as error:
        raise ValueError(f"no array in NumPy's format: {error}") from error
