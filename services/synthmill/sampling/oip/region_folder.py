"""Regions of shared memory that several processes of the service know, in a folder that they share."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from synthmill.sampling.oip.shared_memory import Region


class RegionFolder(Mapping[str, Region]):
    """Regions by name in a folder that several processes use, as a dict has them in memory.

    What one process registers is there for all of them at once, and still is when one has died and begun again. A
    region is not kept open: each use opens its object anew, so that no process holds on to what another one has
    unregistered.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    def __getitem__(self, name: str) -> Region:
        region = self._read(self._path(name))
        if region is None:
            raise KeyError(name)
        return region[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.copy())

    def __len__(self) -> int:
        return len(os.listdir(self._folder))

    def setdefault(self, name: str, region: Region) -> Region:
        """Adds a region, unless the name is taken; returns what then has the name."""
        record = json.dumps([name, region.key, region.offset, region.byte_size])
        try:
            # A link that leads nowhere: a short text that is made whole, in one step, and only where there is none.
            os.symlink(record, self._path(name))
        except FileExistsError:
            return self.get(name) or self.setdefault(name, region)
        return region

    def pop(self, name: str, _default: None) -> None:
        """Removes a region if it is there."""
        self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all regions."""
        for path in self._folder.iterdir():
            path.unlink(missing_ok=True)

    def copy(self) -> dict[str, Region]:
        """Returns the regions of this moment."""
        return dict(filter(None, map(self._read, self._folder.iterdir())))

    def _path(self, name: str) -> Path:
        return self._folder / hashlib.sha256(name.encode()).hexdigest()

    def _read(self, path: Path) -> tuple[str, Region] | None:
        try:
            name, *given = json.loads(os.readlink(path))
        except FileNotFoundError:
            return None
        return name, Region(*given)
