"""The dashboard of all services asks for what services have, and both dashboards are well made."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pytest
from unit.deploy.dashboards import Dashboard, Exposed, labels_not_there, metrics_of

from support.cluster import Cluster
from support.studio import client_of, import_digits, running_services
from synthmill.client import dataset_spec

DASHBOARDS = ("services.json", "sampling.json")


@pytest.fixture(params=DASHBOARDS)
def dashboard(request) -> Dashboard:
    return Dashboard(request.param)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("services-dashboard")
    flags = {"augmentation": ["--checkpoint-interval-s", "0"]}
    with running_services(folder, "catalog", "augmentation", flags=flags) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def exposed(cluster) -> Exposed:
    """What they expose once there was an upload, a job and a call, and while a job runs."""
    with client_of(cluster) as client:
        source = cluster.folder / "digits.npz"
        import_digits(client, cluster.folder)
        client.jobs.wait(client.catalog.upload_dataset(dataset_spec("sent", "image"), source).name)
        client.augmentation.augment(np.zeros((4, 8, 8, 3), np.uint8), "light", seed=7)
        long = client.augmentation.create_augmentation_job("datasets/digits", "light", copies=2000)
        for event in client.jobs.watch(long.name):
            if event.progress.rate:
                break
        found = Exposed.at(*(service.metrics for service in cluster.services.values()))
        client.jobs.cancel(long.name)
    return found


def test_every_metric_asked_for_is_exposed(exposed):
    asked = {name for query in Dashboard("services.json").queries for name, _ in metrics_of(query)}
    assert len(asked) > 20
    assert asked <= exposed.names


def test_every_label_asked_for_is_there(exposed):
    faults, checked = labels_not_there(Dashboard("services.json").queries, exposed, set())
    assert faults == set()
    assert {
        "synthmill_jobs_pending",
        "synthmill_jobs_rate",
        "synthmill_jobs_total",
        "synthmill_catalog_versions",
        "synthmill_store_bytes_total",
        "synthmill_store_seconds_bucket",
        "synthmill_database_seconds_count",
        "synthmill_augmentation_records_total",
    } <= checked


def test_every_query_adds_processes_up(dashboard):
    for query in dashboard.queries:
        for name, _ in metrics_of(query):
            assert re.search(rf"\b(sum|max|count)\b[^()]*(by \([^)]*\) )?\((rate|increase)?\(?{name}\b", query), query


def test_panels_are_complete_and_do_not_overlap(dashboard):
    assert len({panel["id"] for panel in dashboard.everything}) == len(dashboard.everything)
    for panel in dashboard.panels:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    places = [panel["gridPos"] for panel in dashboard.everything]
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert max(place["x"] + place["w"] for place in places) == 24
