"""The dashboard of the sampling service asks for what the service has."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
import re
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
from prometheus_client.parser import text_string_to_metric_families
from unit.graph.generators import dense_generator

from support.studio import client_of, running_services
from synthmill.client import Client

DASHBOARD = Path(__file__).parents[3] / "deploy/grafana/sampling.json"
PROMETHEUS = os.environ.get("SYNTHMILL_PROMETHEUS") or shutil.which("prometheus")
SCRAPED_EVERY_S = 0.5
WINDOW = "5s"
GIVEN_BY_PROMETHEUS = {"instance", "job", "le"}
# What only a service of several processes has.
OF_SEVERAL = {"synthmill_process_up", "synthmill_process_restarts_total", "process"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@dataclasses.dataclass(frozen=True)
class Exposed:
    """What a service exposes.

    Attributes:
        address: "host:port" of its metrics.
        names: names that can be asked for.
        labels: labels by name, of those that have a value.
    """

    address: str
    names: set[str]
    labels: dict[str, set[str]]


def panels() -> list[dict]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def metrics_of(query: str) -> list[tuple[str, set[str]]]:
    """Returns the metrics of a query, each with the labels that it is selected by."""
    found = re.findall(r"\b((?:synthmill|process)_\w+)(?:{([^}]*)})?", query)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))) for name, matchers in found]


def grouped_by(query: str) -> set[str]:
    return {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", query) for label in group.split(",")}


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
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    names = {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ())}
    samples = [sample for family in families for sample in family.samples]
    return Exposed(address, names, {sample.name: set(sample.labels) for sample in samples})


def use(client: Client) -> None:
    """Asks for samples, reads a stream, and leaves another one early."""
    client.sampling.sample("dense", 3)
    assert sum(batch.count for batch in client.sampling.iter_batches("dense", 3000)) == 3000
    with contextlib.closing(client.sampling.iter_batches("dense", 1 << 30)) as batches:
        next(batches)


def test_every_metric_asked_for_is_exposed(exposed, missing):
    asked = {name for query in queries() for name, _ in metrics_of(query)}
    assert len(asked) > 15
    assert asked - missing <= exposed.names


def test_every_label_asked_for_is_there(exposed, missing):
    checked = set()
    for query in queries():
        for name, labels in metrics_of(query):
            if name in exposed.labels:
                asked = (labels | grouped_by(query)) - missing - GIVEN_BY_PROMETHEUS
                assert (query, asked - exposed.labels[name]) == (query, set())
                checked.add(name)
    assert {"synthmill_sampling_samples_total", "synthmill_sampling_batch_seconds_sum"} <= checked


def test_every_query_adds_processes_up():
    for query in queries():
        for name, _ in metrics_of(query):
            assert re.search(rf"\b(sum|max|count)\b[^()]*(by \([^)]*\) )?\((rate|increase)?\(?{name}\b", query), query


def test_panels_are_complete_and_do_not_overlap():
    everything = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    places = [panel["gridPos"] for panel in everything]
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert max(place["x"] + place["w"] for place in places) == 24


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
        for query in queries():
            filled = query.replace("$instance", ".*").replace("$__rate_interval", WINDOW)
            result = ask(url, "query", query=filled)["result"]
            told_apart = {series["metric"].get("process") for series in result}
            assert len(told_apart) <= 1 or (processes > 1 and "process" in grouped_by(query)), query
            if all(name in exposed.labels for name, _ in metrics_of(query)):
                assert (query, len(result) > 0) == (query, True)
                assert not all(math.isnan(float(series["value"][1])) for series in result), query
        for title in ("Models in memory", "Execution providers"):
            (panel,) = [panel for panel in panels() if panel["title"] == title]
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
