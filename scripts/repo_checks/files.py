"""The files of the repository: what git knows, or would if asked to add everything."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

GENERATED = ("clients/python/synthmill/v1/", "clients/python/synthmill/oip/")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something wrong at a line of a file; line 0 means the file as a whole."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message}"


class Files:
    """Paths and contents of a working tree; ignored files are left out.

    Attributes:
        paths: relative to the root, with forward slashes, sorted.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        self.paths = sorted({path for path in listed.split("\0") if path and (root / path).is_file()})

    @functools.cached_property
    def texts(self) -> dict[str, str]:
        """Content by path of every file that is text."""
        texts = {}
        for path in self.paths:
            with contextlib.suppress(UnicodeDecodeError):
                texts[path] = (self.root / path).read_text(encoding="utf-8")
        return texts

    def lines(self) -> Iterator[tuple[str, int, str]]:
        """Yields path, line number from 1 and line of all text files."""
        for path, text in self.texts.items():
            for number, line in enumerate(text.splitlines(), start=1):
                yield path, number, line

    @functools.cached_property
    def python(self) -> dict[str, ast.Module]:
        """Syntax tree by path of every Python file that people wrote."""
        paths = (path for path in self.paths if path.endswith(".py") and not path.startswith(GENERATED))
        return {path: ast.parse(self.texts[path], path) for path in paths}
