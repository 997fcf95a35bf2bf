"""Where samples are written to: one file, or a folder."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from synthmill.client.staging import MANIFEST, check_free, publish_file, scratch_folder, staged_folder
from synthmill.client.writers import FORMATS, Writer
from synthmill.client.writers.encoding import Encoding
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
        by_suffix = {writer.suffix: name for name, writer in FORMATS.items() if writer.suffix}
        suggested = by_suffix.get(path.suffix, "")
        name = format_name or suggested or DEFAULT_FORMAT
        if name not in FORMATS:
            raise InvalidField("format", name, "one of " + ", ".join(FORMATS))
        if suggested and suggested != name:
            raise InvalidField("out", str(path), f"a folder, or a path that ends as {name} does: {suggested} does so")
        return cls(path, name, bool(suggested), overwrite)

    @property
    def manifest(self) -> str:
        """Name of the manifest."""
        return f"{self.path.name}.{MANIFEST}" if self.is_file else MANIFEST

    def check_free(self) -> None:
        """Checks that there is room.

        Raises:
            AlreadyExists: something is there that may not be replaced.
        """
        check_free(self.path, overwrite=self.overwrite)
        if self.is_file:
            check_free(self.path.with_name(self.manifest), overwrite=self.overwrite)

    def writer(self, folder: Path, encoding: Encoding, count: int) -> Writer:
        """Makes the writer of the format."""
        return FORMATS[self.format](folder, encoding, count, self.path.name if self.is_file else "")

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """Lends a folder for files and manifest, which take their places at the end of the with block, or never."""
        if not self.is_file:
            with staged_folder(self.path, overwrite=self.overwrite) as folder:
                yield folder
            return
        with scratch_folder(self.path) as folder:
            yield folder
            self.check_free()
            for name in (self.path.name, self.manifest):
                publish_file(folder / name, self.path.with_name(name))
