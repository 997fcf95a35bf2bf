"""A Ray cluster of several nodes on this machine, each with processes and an address of the loopback of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.cluster import children_of
from support.processes import free_port, until

_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 20.0
_READY = "Ray runtime started."
# Ray takes 127.0.0.1 for the address by which others reach this machine.
_FIRST_ADDRESS = 2
_NODE = [
    *("--num-cpus=1", "--num-gpus=0", "--object-store-memory=80000000"),
    *("--disable-usage-stats", "--include-log-monitor=false", "--block"),
]
# A node that is gone is believed to be gone after some seconds, not after half a minute; a busy one has its time.
_SYSTEM = '{"health_check_period_ms": 1000, "health_check_timeout_ms": 10000, "health_check_failure_threshold": 3}'


class RayNode:
    """One node, begun by `ray start`.

    Args:
        number: from 0; the first is the head.
        arguments: of `ray start`.
        env: environment of all its processes.
        log: file for what they write.
    """

    def __init__(self, number: int, arguments: list[str], env: Mapping[str, str], log: Path) -> None:
        self.host = f"127.0.0.{_FIRST_ADDRESS + number}"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--node-ip-address={self.host}"]
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, *_NODE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
            )

    @property
    def is_gone(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    @property
    def processes(self) -> list[int]:
        """All its processes, the workers last."""
        found = [self._process.pid]
        for pid in found:
            found += children_of(pid)
        return found

    def runs(self, name: str) -> bool:
        """Tells whether one of its processes has a name, "ray::Rank" for example."""
        names = []
        for pid in self.processes:
            with contextlib.suppress(OSError):
                names.append(Path(f"/proc/{pid}/cmdline").read_text())
        return any(name in each for each in names)

    def wait(self) -> None:
        """Waits until it is ready.

        Raises:
            RuntimeError: it ended; the end of its log is in the message.
        """
        until(lambda: _READY in self._said() or self.is_gone, _READY_WITHIN_S)
        if self.is_gone:
            raise RuntimeError(f"a node of Ray did not start:\n{self._said()[-3000:]}")

    def kill(self) -> None:
        """Ends all its processes without any warning, as if the machine had lost its power."""
        for pid in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(_STOPPED_WITHIN_S)

    def _said(self) -> str:
        return self._log.read_text(errors="replace")


class RayCluster:
    """Nodes of one CPU each, the first of them the head.

    Args:
        folder: for logs.
        env: environment of the tasks.

    Attributes:
        env: environment of programs that use it: its address, and its token, since its ports are open to others.
        nodes: by number; number 0 is the head.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self.env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._env = {**self.env, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", **env}
        # A socket's path may have no more than 107 characters.
        self._sockets = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self.address = ""
        self.nodes: dict[int, RayNode] = {}

    def start(self, count: int) -> None:
        """Starts nodes, one after the other, as each takes all that two processors have."""
        port = free_port()
        self._begin(0, "--head", f"--port={port}", "--include-dashboard=false", f"--system-config={_SYSTEM}")
        self.address = self.env["RAY_ADDRESS"] = f"{self.nodes[0].host}:{port}"
        for number in range(1, count):
            self._begin(number, f"--address={self.address}")

    def restore(self) -> None:
        """Starts nodes in place of those that are gone."""
        for number, node in list(self.nodes.items()):
            if node.is_gone:
                self._begin(number, f"--address={self.address}")

    def kill(self) -> None:
        """Ends all nodes."""
        for node in self.nodes.values():
            node.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _begin(self, number: int, *arguments: str) -> None:
        where = [] if number else [f"--temp-dir={self._sockets}"]
        self.nodes[number] = RayNode(number, [*arguments, *where], self._env, self._folder / f"ray-{number}.log")
        self.nodes[number].wait()


@contextlib.contextmanager
def running_ray(folder: Path, count: int = 3, env: Mapping[str, str] | None = None) -> Iterator[RayCluster]:
    """Runs a cluster for the length of a with block."""
    cluster = RayCluster(folder, env or {})
    try:
        cluster.start(count)
        yield cluster
    finally:
        cluster.kill()
