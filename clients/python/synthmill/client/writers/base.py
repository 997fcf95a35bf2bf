"""The contract of a writer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from synthmill.client.batches import Batch
from synthmill.client.writers.encoding import Encoding


class Writer(ABC):
    """Writes one run of samples to a file, or to a tree of files and a list of them; the same samples, the same bytes.

    Args:
        folder: where to write; exists and is empty.
        encoding: what a sample looks like in files.
        count: samples that will come.
        name: name of the file, or of the list.
    """

    suffix: ClassVar[str]
    """Ending of the file's name."""

    stem: ClassVar[str] = "samples"
    """What the name of a file in a folder begins with."""

    is_tree: ClassVar[bool] = False
    """Whether it makes a tree of files, a file per sample, and the file named is a list of them."""

    def __init__(self, folder: Path, encoding: Encoding, count: int, name: str) -> None:
        self.path = folder / name
        self.encoding = encoding
        self.count = count

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return self.path.parent

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Takes the next samples.

        Raises:
            InvalidField: the format cannot hold them.
        """

    @abstractmethod
    def finish(self) -> None:
        """Completes the file."""

    @abstractmethod
    def close(self) -> None:
        """Closes what is open, complete or not; may be called again."""
