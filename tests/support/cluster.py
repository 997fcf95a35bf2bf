"""Starts real services as processes on free ports, kills and restarts them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0

# What a service asks beside the catalog.
_ASKS = {"evaluation": ["sampling"], "pipeline": ["augmentation", "training", "sampling", "evaluation"]}

_running: set[ServiceProcess] = set()


def running_services() -> list[ServiceProcess]:
    """Returns the services that this process has started and not stopped."""
    return list(_running)


class ServiceProcess:
    """One service as its own process.

    Attributes:
        address: "host:port" once it has started; the same after a restart.
    """

    def __init__(self, service: str, store: Path | str, log: Path, flags: list[str], env: Mapping[str, str]) -> None:
        self.service = service
        self.address = "127.0.0.1:0"
        self.metrics = ""
        self._store = store
        self._log = log
        self._flags = flags
        self._env = {**os.environ, **env}
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running service."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the process and waits for its line that says it is serving.

        Raises:
            RuntimeError: it ended, or took too long; the end of its log is in the message.
        """
        port = self.address.rpartition(":")[2]
        command = [sys.executable, "-m", f"synthmill.{self.service}", "--store", str(self._store), "--port", port]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._flags], stdout=subprocess.PIPE, stderr=log, env=self._env, text=True
            )
        _running.add(self)
        assert self._process.stdout is not None
        line = _first_line(self._process.stdout, READY_WITHIN_S)
        if not line:
            self.kill()
            raise RuntimeError(f"{self.service} did not start:\n{self.log_tail()}")
        ready = json.loads(line)
        self.address, self.metrics = ready["address"], ready.get("metrics", "")

    def stop(self) -> int:
        """Asks the process to end as an operator would and returns its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._close()
        return status

    def kill(self) -> None:
        """Ends the process without any warning."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close()

    def restart(self) -> None:
        """Starts it again on the same port."""
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                return self.start()
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def log_tail(self, characters: int = 3000) -> str:
        """Returns the end of what the process wrote to its log."""
        return self._log.read_text(errors="replace")[-characters:]

    def _close(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        _running.discard(self)


class Cluster:
    """Services that share one store, the catalog among them.

    Args:
        folder: for all that they write.
        allowed_roots: folders that the catalog may import from.
        env: environment variables beside those of this process.
        store_url: of the store; by default one is made in the folder. Elsewhere the services share nothing but the
            store: each has a local folder of its own.
    """

    def __init__(
        self, folder: Path, *, allowed_roots: list[Path], env: Mapping[str, str] | None = None, store_url: str = ""
    ) -> None:
        self.folder = folder
        self.store = folder / "store"
        self._store_url = store_url
        self._roots = os.pathsep.join(map(str, allowed_roots))
        self._env = env or {}
        self.services: dict[str, ServiceProcess] = {}

    def add(self, service: str, name: str | None = None, flags: list[str] | None = None) -> ServiceProcess:
        """Starts one more service; `name` tells replicas of the same service apart."""
        name = name or service
        flags = list(flags or [])
        if service == "catalog":
            flags += ["--allowed-roots", self._roots]
        else:
            flags += ["--catalog-address", self.target("catalog")]
        for asked in _ASKS.get(service, []):
            flags += [f"--{asked}-address", self.target(asked)]
        if self._store_url:
            flags += ["--local", str(self.folder / "local" / name)]
        store = self._store_url or self.store
        process = ServiceProcess(service, store, self.folder / f"{name}.log", flags, self._env)
        process.start()
        self.services[name] = process
        return process

    def address(self, name: str) -> str:
        """Returns "host:port" of a service."""
        return self.services[name].address

    def target(self, service: str) -> str:
        """Returns what stands for all replicas of a service."""
        replicas = [process.address for process in self.services.values() if process.service == service]
        return replicas[0] if len(replicas) == 1 else f"ipv4:{','.join(replicas)}"

    def stop(self) -> None:
        """Stops all services, the last one first."""
        for process in reversed(self.services.values()):
            process.stop()
        self.services.clear()

    def kill(self) -> None:
        """Ends all services without any warning."""
        for process in self.services.values():
            process.kill()
        self.services.clear()


@contextmanager
def running_cluster(
    folder: Path, *, allowed_roots: list[Path], env: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Runs catalog, training and sampling for the length of a with block."""
    cluster = Cluster(folder, allowed_roots=allowed_roots, env=env)
    try:
        for service in ("catalog", "training", "sampling"):
            cluster.add(service)
        yield cluster
    finally:
        cluster.kill()


def children_of(pid: int) -> list[int]:
    """Returns the process ids of the children of a process: of a service, its workers."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, children.read_text().split())
    return found


def _first_line(stream: IO[str], timeout_s: float) -> str:
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
    try:
        return lines.get(timeout=timeout_s)
    except queue.Empty:
        return ""
