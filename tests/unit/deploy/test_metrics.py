"""Alerts and autoscalers ask for what services tell."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import VectorSelector

from support.studio import client_of, running_services
from synthmill.client import Client

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
GIVEN_BY_PROMETHEUS = {"up"}
PROMETHEUS = os.environ.get("SYNTHMILL_PROMETHEUS") or shutil.which("prometheus")


@pytest.fixture(scope="module")
def exposed(tmp_path_factory) -> set[str]:
    """Names of all metrics of services, sampling by two processes among them."""
    flags = {"sampling": ["--processes", "2"]}
    services = ("catalog", "augmentation", "sampling")
    names = set(GIVEN_BY_PROMETHEUS)
    with running_services(tmp_path_factory.mktemp("metrics"), *services, flags=flags) as cluster:
        with client_of(cluster) as client:
            ask_each(client)
        for service in services:
            with urllib.request.urlopen(f"http://{cluster.services[service].metrics}/metrics", timeout=10) as answer:
                for family in text_string_to_metric_families(answer.read().decode()):
                    names |= {family.name + suffix for suffix in SUFFIXES.get(family.type, ())}
    return names


def ask_each(client: Client) -> None:
    """Makes a call to each service, as some metrics are there only then."""
    list(client.catalog.list_datasets())
    list(client.augmentation.list_operations("image"))
    client.sampling.list_loaded_models()


def expressions(deploy) -> dict[str, str]:
    (group,) = deploy.load("prometheus/alerts.yaml")["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def selectors(expression) -> Iterator[VectorSelector]:
    """Yields what an expression reads."""
    if isinstance(expression, VectorSelector):
        yield expression
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (part := getattr(expression, name, None)) is not None:
            yield from selectors(part)
    for part in getattr(expression, "args", []):
        yield from selectors(part)


def test_alerts_ask_for_what_is_told(deploy, exposed):
    asked = set()
    for alert, text in expressions(deploy).items():
        names = {selector.name for selector in selectors(promql_parser.parse(text))}
        assert names, alert
        asked |= names
    assert len(asked) > 7
    assert asked <= exposed


def test_alerts_say_what_is_wrong(deploy):
    (group,) = deploy.load("prometheus/alerts.yaml")["groups"]
    for rule in group["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.skipif(
    not PROMETHEUS, reason="no prometheus here: apt-get install prometheus, or SYNTHMILL_PROMETHEUS=PATH"
)
def test_prometheus_takes_its_settings_and_the_alerts(deploy):
    command = [Path(PROMETHEUS).with_name("promtool"), "check", "config", "prometheus.yaml"]
    done = subprocess.run(command, cwd=deploy.path / "prometheus", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(expressions(deploy))} rules found" in done.stdout


def scaled_by(deploy) -> set[str]:
    built = [resource for name in ("cpu", "gpu") for resource in deploy.kustomizations[f"kubernetes/overlays/{name}"]]
    return {
        metric["pods"]["metric"]["name"]
        for resource in built
        if resource["kind"] == "HorizontalPodAutoscaler"
        for metric in resource["spec"]["metrics"]
    }


def test_autoscalers_ask_for_what_is_told_and_the_adapter_offers(deploy, exposed):
    names = scaled_by(deploy)
    assert {name.split("_")[1] for name in names} == {"sampling", "augmentation"}
    assert names <= exposed
    (rule,) = deploy.load("kubernetes/monitoring/adapter-values.yaml")["rules"]["custom"]
    (selector,) = selectors(promql_parser.parse(rule["seriesQuery"]))
    (matcher,) = [found for found in selector.matchers.matchers if found.name == "__name__"]
    assert set(matcher.value.split("|")) == names
    for name in names:
        query = rule["metricsQuery"].replace("<<.Series>>", name)
        query = query.replace("<<.LabelMatchers>>", 'namespace="synthmill"').replace("<<.GroupBy>>", "pod")
        (found,) = selectors(promql_parser.parse(query))
        assert found.name == name
