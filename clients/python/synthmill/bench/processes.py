"""Processor time and memory of a process and of all that it has started, as Linux tells them."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from synthmill.runtime.errors import InvalidField

_PROC = Path("/proc")
# Fields of /proc/PID/stat after the name in parentheses, which may hold anything: user time and system time.
_USER, _SYSTEM = 11, 12


def check_process(pid: int) -> None:
    """Makes sure that there is such a process, and that its processor time can be read.

    Raises:
        InvalidField: there is none, or this system does not tell.
    """
    if not (_PROC / str(pid) / "stat").exists():
        raise InvalidField("--pid", pid, "a process of this machine, on Linux")


def cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process and its descendants have used."""
    ticks = 0
    for member in _tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = (_PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[_USER]) + int(fields[_SYSTEM])
    return ticks / os.sysconf("SC_CLK_TCK")


def own_cpu_seconds() -> float:
    """Returns the processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes(pid: int) -> int:
    """Returns the memory of a process and its descendants; what they share counts for each."""
    pages = 0
    for member in _tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pages += int((_PROC / str(member) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tree(pid: int) -> list[int]:
    found = [pid]
    for children in (_PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                found += _tree(int(child))
    return found
