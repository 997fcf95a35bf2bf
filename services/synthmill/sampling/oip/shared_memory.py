"""Regions of POSIX shared memory that clients on the same machine pass tensors through.

A region is read and written through its file, not mapped: a client may shrink its file at any time, and a process that
touches a mapped page which is gone dies, while a read from beyond the end just comes back short.
"""

from __future__ import annotations

import dataclasses
import os
import re
import stat
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthmill.runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidField,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)

if TYPE_CHECKING:
    from synthmill.sampling.oip.region_folder import RegionFolder

Buffer = bytes | memoryview

MAX_REGIONS = 1024

_FOLDER = Path("/dev/shm")
_KEY = re.compile(r"/?([A-Za-z0-9][A-Za-z0-9._-]{0,254})")
_KEY_ALLOWED = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
# Semaphores, and what servers keep there for themselves.
_RESERVED = ("sem.", "synthmill", "triton_")
_MAX_NAME = 255


class Region:
    """Part of a shared memory object; its file is closed when nobody refers to the region any more.

    Args:
        key: name of the object.
        offset: where in the object it begins, in bytes.
        byte_size: its size.
    """

    def __init__(self, key: str, offset: int, byte_size: int) -> None:
        self.key = key
        self.offset = offset
        self.byte_size = byte_size
        self._descriptor = -1

    def open(self, *, whole: bool = False) -> None:
        """Opens the object, if that has not been done; it can be read and written from then on.

        Args:
            whole: whether the object must have all of the region by now.

        Raises:
            InvalidField: the key is malformed, or the object is too small.
            NotFound: there is no such object.
            PermissionDenied: the service may not read and write it.
        """
        if self._descriptor < 0:
            self._descriptor = _open(self.key, self.offset, self.byte_size if whole else 0)
            weakref.finalize(self, os.close, self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Returns bytes of it; offset and size must lie in it.

        Raises:
            FailedPrecondition: its object has shrunk.
        """
        data = os.pread(self._descriptor, size, self.offset + offset)
        if len(data) != size:
            raise self._shrunk()
        return data

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Writes buffers one after the other; all of them together must lie in it.

        Raises:
            FailedPrecondition: its object has shrunk.
        """
        place = self.offset + offset
        # A write beyond the end would make the object grow.
        if os.fstat(self._descriptor).st_size < place + sum(map(len, buffers)):
            raise self._shrunk()
        for buffer in buffers:
            rest = memoryview(buffer)
            while rest:
                written = os.pwrite(self._descriptor, rest, place)
                rest, place = rest[written:], place + written

    def _shrunk(self) -> FailedPrecondition:
        return FailedPrecondition(f"the shared memory object {self.key!r} is smaller than when it was registered")


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where in a region a tensor lies, checked to lie in it.

    Attributes:
        name: of the region.
        region: the region.
        offset: from the region's beginning, in bytes.
        byte_size: room for the tensor.
    """

    name: str
    region: Region
    offset: int
    byte_size: int

    def read(self) -> bytes:
        """Returns its bytes; raises as `Region.read`."""
        return self.region.read(self.offset, self.byte_size)

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Writes buffers from an offset on; raises as `Region.write`.

        Raises:
            InvalidField: there is no room for them.
        """
        end = offset + sum(map(len, buffers))
        if end > self.byte_size:
            raise InvalidField("shared_memory_byte_size", self.byte_size, f"at least {end}")
        self.region.write(self.offset + offset, buffers)


class Regions:
    """The regions by name.

    Args:
        enabled: whether clients may use shared memory at all.
        table: where they are kept: in memory, or where the other processes of the service find them, too.
    """

    def __init__(self, enabled: bool, table: dict[str, Region] | RegionFolder) -> None:
        self.enabled = enabled
        self._table = table

    def register(self, name: str, key: str, offset: int, byte_size: int) -> None:
        """Makes a region known under a name.

        Raises:
            FailedPrecondition: shared memory is off.
            InvalidField: an argument is malformed, or the object is too small.
            AlreadyExists: the name is taken.
            NotFound: there is no such object.
            PermissionDenied: the service may not read and write it.
            ResourceExhausted: there are too many regions.
        """
        self._check_enabled()
        if not 1 <= len(name) <= _MAX_NAME:
            raise InvalidField("name", name, f"1 to {_MAX_NAME} characters")
        if byte_size < 1:
            raise InvalidField("byte_size", byte_size, "at least 1")
        taken = AlreadyExists(f"a region {name!r} is registered already; unregister it first", name=name)
        if name in self._table:
            raise taken
        if len(self._table) >= MAX_REGIONS:
            raise ResourceExhausted(f"{MAX_REGIONS} regions are registered; unregister some first")
        region = Region(key, offset, byte_size)
        region.open(whole=True)
        if self._table.setdefault(name, region) is not region:
            raise taken

    def unregister(self, name: str) -> None:
        """Forgets a region, or all of them if the name is empty; whoever uses it now keeps it until they are done.

        Raises:
            FailedPrecondition: shared memory is off.
        """
        self._check_enabled()
        if name:
            self._table.pop(name, None)
        else:
            self._table.clear()

    def status(self, name: str) -> Mapping[str, Region]:
        """Returns a region, or all of them if the name is empty.

        Raises:
            FailedPrecondition: shared memory is off.
            NotFound: there is no such region.
        """
        self._check_enabled()
        return {name: self._find(name)} if name else self._table.copy()

    def place(self, name: str, offset: int, byte_size: int) -> Placement:
        """Returns part of a region.

        Raises:
            FailedPrecondition: shared memory is off.
            NotFound: there is no such region, or its object has gone before this process has ever opened it.
            InvalidField: it leaves the region.
        """
        self._check_enabled()
        region = self._find(name)
        if not 0 <= offset < region.byte_size:
            raise InvalidField("shared_memory_offset", offset, f"0 to {region.byte_size - 1}")
        room = region.byte_size - offset
        if not 1 <= byte_size <= room:
            raise InvalidField("shared_memory_byte_size", byte_size, f"1 to {room} in region {name!r}")
        region.open()
        return Placement(name, region, offset, byte_size)

    def _find(self, name: str) -> Region:
        try:
            return self._table[name]
        except KeyError:
            raise NotFound(f"no region {name!r} is registered", name=name) from None

    def _check_enabled(self) -> None:
        if not self.enabled:
            raise FailedPrecondition(
                "system shared memory is off: start the sampling service with --system-shared-memory true",
                setting="system_shared_memory",
            )


def _open(key: str, offset: int, byte_size: int) -> int:
    """Opens an object that has so many bytes from an offset on."""
    match = _KEY.fullmatch(key)
    if match is None or match[1].startswith(_RESERVED):
        raise InvalidField("key", key, f"{_KEY_ALLOWED}; not {', '.join(_RESERVED)}")
    try:
        # Not through a link: it could lead anywhere. Without waiting: a pipe would make it wait for ever.
        descriptor = os.open(_FOLDER / match[1], os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound(f"there is no shared memory object {key!r}", key=key) from None
    except OSError as error:
        raise PermissionDenied(f"the shared memory object {key!r} cannot be opened: {error.strerror}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidField("key", key, "a shared memory object")
        room = max(found.st_size - offset, 0)
        if byte_size > room:
            raise InvalidField("byte_size", byte_size, f"up to {room} from offset {offset} of {key!r}")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
