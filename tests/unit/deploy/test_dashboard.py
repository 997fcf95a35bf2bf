"""The dashboard of the sampling service asks for what the service has."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from unit.deploy.dashboards import Dashboard, Exposed, grouped_by, labels_not_there, metrics_of
from unit.graph.generators import dense_generator

from support.studio import client_of, running_services
from synthmill.client import Client

DASHBOARD = Dashboard("sampling.json")
PROMETHEUS = os.environ.get("SYNTHMILL_PROMETHEUS") or shutil.which("prometheus")
SCRAPED_EVERY_S = 0.5
WINDOW = "5s"
# What only a service of several processes has.
OF_SEVERAL = {"synthmill_process_up", "synthmill_process_restarts_total", "process"}


@pytest.fixture(scope="module", params=[1, 2], ids=["one-process", "two-processes"])
def processes(request) -> int:
    """Number of processes that serve."""
    return request.param


@pytest.fixture(scope="module")
def missing(processes) -> set[str]:
    """Metrics and labels that such a service has no use for."""
    return OF_SEVERAL if processes == 1 else set()


@pytest.fixture(scope="module")
def service(processes, tmp_path_factory) -> Iterator[tuple[Client, str]]:
    """Runs a sampling service and returns a client and where its metrics are."""
    folder = tmp_path_factory.mktemp("dashboard")
    onnx.save(dense_generator(size=32, finished=False), folder / "dense.onnx")
    flags = {"sampling": ["--metrics-port", "0", "--processes", str(processes)]}
    with running_services(folder, "catalog", "sampling", flags=flags) as cluster, client_of(cluster) as client:
        job = client.catalog.import_model("dense", folder / "dense.onnx", kind="image", parameters={"range": [-1, 1]})
        client.jobs.wait(job.name)
        client.sampling.load_model("dense")
        yield client, cluster.services["sampling"].metrics


@pytest.fixture
def exposed(service) -> Exposed:
    client, address = service
    use(client)
    return Exposed.at(address)


def use(client: Client) -> None:
    """Asks for samples, reads a stream, and leaves another one early."""
    client.sampling.sample("dense", 3)
    assert sum(batch.count for batch in client.sampling.iter_batches("dense", 3000)) == 3000
    with contextlib.closing(client.sampling.iter_batches("dense", 1 << 30)) as batches:
        next(batches)


def test_every_metric_asked_for_is_exposed(exposed, missing):
    asked = {name for query in DASHBOARD.queries for name, _ in metrics_of(query)}
    assert len(asked) > 15
    assert asked - missing <= exposed.names


def test_every_label_asked_for_is_there(exposed, missing):
    faults, checked = labels_not_there(DASHBOARD.queries, exposed, missing)
    assert faults == set()
    assert {"synthmill_sampling_samples_total", "synthmill_sampling_batch_seconds_sum"} <= checked


@pytest.mark.skipif(
    not PROMETHEUS, reason="no prometheus here: apt-get install prometheus, or SYNTHMILL_PROMETHEUS=PATH"
)
def test_prometheus_answers_every_query(service, exposed, processes, tmp_path):
    client, address = service
    with running_prometheus(address, tmp_path) as url:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            use(client)
            time.sleep(0.1)
        for query in DASHBOARD.queries:
            filled = query.replace("$instance", ".*").replace("$__rate_interval", WINDOW)
            result = ask(url, "query", query=filled)["result"]
            told_apart = {series["metric"].get("process") for series in result}
            assert len(told_apart) <= 1 or (processes > 1 and "process" in grouped_by(query)), query
            if all(name in exposed.labels for name, _ in metrics_of(query)):
                assert (query, len(result) > 0) == (query, True)
                assert not all(math.isnan(float(series["value"][1])) for series in result), query
        for title in ("Models in memory", "Execution providers"):
            (panel,) = [panel for panel in DASHBOARD.panels if panel["title"] == title]
            filled = panel["targets"][0]["expr"].replace("$instance", ".*")
            # Once, in however many processes it is.
            assert [series["value"][1] for series in ask(url, "query", query=filled)["result"]] == ["1"]


@contextlib.contextmanager
def running_prometheus(target: str, folder: Path) -> Iterator[str]:
    """Runs a Prometheus that reads one service, for the length of a with block, and returns its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    scraped = f"{SCRAPED_EVERY_S * 1000:.0f}ms"
    jobs = [{"job_name": "sampling", "static_configs": [{"targets": [target]}]}]
    timing = {"scrape_interval": scraped, "scrape_timeout": scraped}
    (folder / "prometheus.yml").write_text(json.dumps({"global": timing, "scrape_configs": jobs}))
    command = [
        PROMETHEUS,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: ask(f"http://{address}", "query", query="up == 1")["result"], folder / "log")
            yield f"http://{address}"
        finally:
            process.terminate()


def wait_for(condition, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def ask(url: str, method: str, **arguments: str) -> dict:
    """Calls Prometheus' HTTP API."""
    with urllib.request.urlopen(f"{url}/api/v1/{method}?{urllib.parse.urlencode(arguments)}", timeout=10) as answer:
        return json.load(answer)["data"]
