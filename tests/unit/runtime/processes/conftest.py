"""The toy service that several processes serve."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.processes import PATIENCE_S, serving_processes, until
from synthmill.runtime.channels import connect_sync
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1.catalog_service_pb2_grpc import CatalogServiceStub

TESTS = str(Path(__file__).resolve().parents[3])
SEARCH_PATH = os.pathsep.join(filter(None, [TESTS, os.environ.get("PYTHONPATH")]))


class Toy:
    """The toy service.

    Attributes:
        process: the one that was started.
        ready: its line on standard output; empty if it has ended instead.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self._log = folder / "toy.log"
        command = [sys.executable, "-m", "support.toy_processes", "--store", str(folder), "--port", "0", *flags]
        # Where processes put what they share, so that a test can see that it is gone.
        environment = {**os.environ, "PYTHONPATH": SEARCH_PATH, "TMPDIR": str(folder)}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        self.ready = json.loads(self.process.stdout.readline() or "{}")

    @property
    def address(self) -> str:
        """Where it serves."""
        return self.ready["address"]

    @property
    def port(self) -> str:
        """The port of its address."""
        return self.address.rpartition(":")[2]

    def pids(self) -> dict[int, int]:
        """Returns the ids of the processes that serve, by number."""
        return serving_processes(self.process.pid)

    @contextlib.contextmanager
    def stub(self) -> Iterator[CatalogServiceStub]:
        """Connects for the length of a with block: to one of the processes, and to the same one all along."""
        with connect_sync(self.address) as channel:
            yield CatalogServiceStub(channel)

    def answering(self) -> int:
        """Connects, asks which process answers, and returns its id."""
        with self.stub() as stub:
            return int(stub.GetDataset(pb.GetDatasetRequest(), timeout=PATIENCE_S).name)

    def metrics(self) -> dict[tuple[str, str], float]:
        """Returns the sums of the metrics, by name and process."""
        with urllib.request.urlopen(f"http://{self.ready['metrics']}/metrics", timeout=PATIENCE_S) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        found: dict[tuple[str, str], float] = {}
        for sample in (sample for family in families for sample in family.samples):
            key = sample.name, sample.labels["process"]
            found[key] = found.get(key, 0.0) + sample.value
        return found

    def lines(self) -> list[dict]:
        """Returns what it has logged."""
        return [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]

    def logged(self, text: str) -> list[dict]:
        """Returns the lines of the log with a text in their message."""
        return [line for line in self.lines() if text in line["message"]]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it with a signal and returns its status; nothing of it is left."""
        pids = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids.values()))
        return status


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Toy]]:
    """Starts toys of a test's own."""
    toys = []

    def start(*flags: str, processes: int = 2) -> Toy:
        toys.append(Toy(tmp_path, "--processes", str(processes), *flags))
        return toys[-1]

    yield start
    for toy in toys:
        if not toy.process.stdout.closed:
            toy.end()


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Iterator[Toy]:
    """A toy that two processes serve, and that stays as it is."""
    toy = Toy(tmp_path_factory.mktemp("toy"), "--processes", "2")
    yield toy
    toy.end()
