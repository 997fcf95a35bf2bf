"""The machine that measurements are made on, and what is installed on it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_NAME = "model name"
_NOISY_LOAD = 0.5


@dataclasses.dataclass(frozen=True)
class Machine:
    """The machine that measurements are made on.

    Attributes:
        processor: name of its processor.
        cores: processors that this process may use.
        load: load average before the measurements.
        versions: versions of what they are made with here, by package; "python" is among them.
    """

    processor: str
    cores: int
    load: float
    versions: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """Returns it as fields of a report."""
        return {
            "processor": self.processor,
            "cores": self.cores,
            "load_average": self.load,
            "versions": self.versions,
        }

    def to_text(self) -> str:
        """Returns it in a line, and in a second one if others keep it busy."""
        versions = ", ".join(f"{package} {found}" for package, found in self.versions.items())
        text = f"{self.cores} processors ({self.processor}); {versions}"
        if self.load > _NOISY_LOAD * self.cores:
            text += f"\nother processes are busy (load average {self.load:.1f}): figures and ranges will be wide"
        return text


def this_machine(*packages: str) -> Machine:
    """Looks at this machine.

    Args:
        packages: distributions whose versions to tell; those that are not installed are left out.
    """
    versions = {"synthmill": version("synthmill"), "python": platform.python_version()}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return Machine(_processor(), core_count(), load, versions)


def core_count() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    """Returns the name that Linux tells, where there is one: elsewhere `platform` knows more."""
    with contextlib.suppress(OSError):
        for line in _CPU_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == _CPU_NAME:
                return value.strip()
    return platform.processor() or platform.machine()
