"""Programs that write many samples, and what they have written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from support.cluster import Cluster
from support.processes import until

_WITHIN_S = 150.0


class Writer:
    """A `synthmill sample` as a process of its own; used in a with block, at whose end it is killed.

    Args:
        cluster: the services.
        model: the model.
        out: the folder.
        options: further ones of the command.
        env: environment variables beside those of this process.
    """

    def __init__(
        self, cluster: Cluster, model: str, out: Path, *options: object, env: Mapping[str, str] | None = None
    ) -> None:
        addresses = [f"--address={name}={cluster.address(name)}" for name in ("catalog", "sampling")]
        arguments = ["sample", model, "--out", str(out), *map(str, options), *addresses]
        self.out = out
        self._process = subprocess.Popen(
            [sys.executable, "-m", "synthmill.cli", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            text=True,
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._process.stderr.close()

    def kill(self) -> None:
        """Ends the process without any warning."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(_WITHIN_S)

    def interrupt(self) -> int:
        """Stops the process as Ctrl-C does and returns what it exits with."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(_WITHIN_S)

    def wait(self, within_s: float = _WITHIN_S) -> str:
        """Waits for it to succeed and returns what it said."""
        said = self._process.communicate(timeout=within_s)[1]
        assert self._process.returncode == 0, said
        return said

    def wait_for_shards(self, count: int, within_s: float = _WITHIN_S) -> None:
        """Waits until it has written so many."""
        until(lambda: len(list(self.out.glob("train-*"))) >= count, within_s)
        assert self._process.poll() is None

    def resident_bytes(self) -> int | None:
        """Returns the memory that it holds; None once it has ended."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else None


def digests(folder: Path) -> dict[str, str]:
    """Returns the digests of all files of a folder, the hidden ones too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
