"""Real services with the two generators in them, for measurements, and how long those are.

Every length can be set in the environment: `SYNTHMILL_BENCH_ROUNDS=1 SYNTHMILL_BENCH_OVERLOAD_S=10 make bench`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench.models import write_models
from prometheus_client.parser import text_string_to_metric_families

from support.cluster import Cluster
from support.studio import client_of, running_services
from synthmill.bench.processes import resident_bytes
from synthmill.bench.sampling.options import Options
from synthmill.bench.sampling.probes import request_figures
from synthmill.bench.sampling.run import Result, run_bench
from synthmill.bench.sampling.target import Target, find_target
from synthmill.bench.statistics import latency_figures
from synthmill.bench.workers import Worker
from synthmill.client import Client

TESTS = str(Path(__file__).resolve().parents[1])
MODELS = ("conv28", "mlp32")
_SLACK_S = 120.0
_MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Lengths:
    """How long and how often to measure; each field is also a variable, SYNTHMILL_BENCH_ROUNDS and its like.

    Attributes:
        rounds: rounds that medians are taken over.
        seconds: length of one measurement.
        overload_s: length of the overload.
        readers: readers that stop reading.
        cancels: streams that are cancelled.
        soak_s: length of the mix of cancelled and finished streams that memory is watched over.
        flags: settings of the sampling service, as on its command line.
    """

    rounds: int = 5
    seconds: float = 2.0
    overload_s: float = 60.0
    readers: int = 50
    cancels: int = 1000
    soak_s: float = 60.0
    flags: str = ""

    @classmethod
    def from_environment(cls) -> Lengths:
        """Reads the variables that are set."""
        given = {
            field.name: type(field.default)(os.environ[variable])
            for field in dataclasses.fields(cls)
            if (variable := f"SYNTHMILL_BENCH_{field.name.upper()}") in os.environ
        }
        return cls(**given)


@dataclasses.dataclass(frozen=True)
class Lab:
    """Running services.

    Attributes:
        client: of the services.
        cluster: the services.
        plain: the generators as they were before they were imported, by model.
        lengths: how long to measure.
    """

    client: Client
    cluster: Cluster
    plain: dict[str, Path]
    lengths: Lengths

    def bench(self, model: str, **options: Any) -> Result:
        """Runs `synthmill bench sampling`."""
        lengths = {"rounds": self.lengths.rounds, "seconds": self.lengths.seconds}
        given = {**lengths, "pid": self.sampling_pid, **options}
        return run_bench(self.client, model, Options(**given), lambda *_: None)

    def target(self, model: str) -> Target:
        """Loads a model."""
        return find_target(self.client, model)

    @property
    def sampling_pid(self) -> int:
        """Process id of the sampling service."""
        return self.cluster.services["sampling"].pid

    def memory_mib(self) -> float:
        """Returns the resident memory of the sampling service and of all processes it has started."""
        return resident_bytes(self.sampling_pid) / _MIB

    def batch_totals(self) -> dict[str, tuple[float, float]]:
        """Returns the seconds that batches have taken so far in all processes, and their number, by batch size."""
        address = self.cluster.services["sampling"].metrics
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
        values: Counter[tuple[str, str]] = Counter()
        for sample in families["synthmill_sampling_batch_seconds"].samples:
            values[sample.name.rpartition("_")[2], sample.labels["batch_size"]] += sample.value
        return {size: (values["sum", size], values["count", size]) for kind, size in values if kind == "count"}

    def slowest_batch_s(self, before: dict[str, tuple[float, float]]) -> float:
        """Returns the mean time of the batches of the slowest size since `batch_totals` was asked."""
        means = []
        for size, (seconds, count) in self.batch_totals().items():
            seconds_before, count_before = before.get(size, (0.0, 0.0))
            if count > count_before:
                means.append((seconds - seconds_before) / (count - count_before))
        return max(means)


@contextlib.contextmanager
def running_lab(
    folder: Path, lengths: Lengths, models: Sequence[str] = MODELS, flags: str | None = None
) -> Iterator[Lab]:
    """Runs a catalog and a sampling service with the generators, for the length of a with block."""
    plain = write_models(folder)
    given = ["--metrics-port", "0", *shlex.split(lengths.flags if flags is None else flags)]
    services = running_services(folder, "catalog", "sampling", flags={"sampling": given})
    with services as cluster, client_of(cluster) as client:
        for model in models:
            client.jobs.wait(client.catalog.import_model(model, plain[model], kind="tensor").name)
        yield Lab(client, cluster, plain, lengths)


def closed_loop(
    worker: Worker, target: Target, clients: int, seconds: float, counts: tuple[int, int] = (1, 16)
) -> dict:
    """Lets clients ask, each as soon as it has its answer, and returns figures of their requests."""
    given = {"address": target.address, "mix": target.mix(*counts), "concurrency": clients}
    worker.begin("closed_loop", **given, warm_s=min(1.0, seconds / 4), seconds=seconds)
    return request_figures([worker.finish(seconds + _SLACK_S)])


def open_loop(worker: Worker, target: Target, rate: float, seconds: float, counts: tuple[int, int] = (1, 16)) -> dict:
    """Sends requests at random times and returns figures of them."""
    worker.begin("open_loop", address=target.address, mix=target.mix(*counts), rate=rate, seconds=seconds)
    return request_figures([worker.finish(seconds + _SLACK_S)])


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Returns percentiles of durations in milliseconds."""
    return latency_figures(np.array(seconds) * 1e6)
