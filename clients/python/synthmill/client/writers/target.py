"""Where samples are written to: one file, or a folder."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from synthmill.client.staging import MANIFEST, check_free, publish_file, scratch_folder
from synthmill.client.writers import FORMATS
from synthmill.runtime.errors import InvalidField

DEFAULT_FORMAT = "parquet"


@dataclasses.dataclass(frozen=True)
class Target:
    """Where samples are written to, and as what.

    Attributes:
        path: the file or folder.
        format: name of the format.
        is_file: whether it is one file, with its manifest beside it.
        overwrite: whether what was written there before may be replaced.
    """

    path: Path
    format: str
    is_file: bool
    overwrite: bool = False

    @classmethod
    def find(cls, path: Path, format_name: str, overwrite: bool) -> Self:
        """Works out what a path means.

        Args:
            format_name: format wanted; empty leaves it to the ending of the path.

        Raises:
            InvalidField: there is no such format, or the path ends as another one does.
        """
        by_suffix = {writer.suffix: name for name, writer in FORMATS.items() if not writer.is_tree}
        suggested = by_suffix.get(path.suffix, "")
        name = format_name or suggested or DEFAULT_FORMAT
        if name not in FORMATS:
            raise InvalidField("format", name, "one of " + ", ".join(FORMATS))
        if suggested and suggested != name:
            raise InvalidField("out", str(path), f"a folder, or a path that ends as {name} does: {suggested} does so")
        return cls(path, name, bool(suggested), overwrite)

    @property
    def manifest(self) -> str:
        """Name of the manifest of a file."""
        return f"{self.path.name}.{MANIFEST}"

    def check_free(self) -> None:
        """Checks that there is room for the file and its manifest.

        Raises:
            AlreadyExists: something is there that may not be replaced.
        """
        for path in (self.path, self.path.with_name(self.manifest)):
            check_free(path, overwrite=self.overwrite)

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """Lends a folder for file and manifest, which take their places at the end of the with block, or never."""
        with scratch_folder(self.path) as folder:
            yield folder
            self.check_free()
            for name in (self.path.name, self.manifest):
                publish_file(folder / name, self.path.with_name(name))
