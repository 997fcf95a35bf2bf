"""Metrics of several processes on one page: nothing lost, nothing mixed up."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from synthmill.runtime.processes.metrics import MergedMetrics, dump, merge

AWKWARD = 'a "quoted"\nback\\slash, {brace} # and more'
FORMATS = pytest.mark.parametrize(
    ("generate", "parse"),
    [(generate_latest, text_string_to_metric_families), (generate_openmetrics, parse_openmetrics)],
    ids=["text", "openmetrics"],
)


def process(factor: int) -> CollectorRegistry:
    """Returns the metrics of a process that has counted so many times as much as another one."""
    registry = CollectorRegistry()
    Counter("calls", "Calls, counted.", ["code"], registry=registry).labels(AWKWARD).inc(3 * factor)
    Gauge("rows", "Rows.", registry=registry).set_function(lambda: 0.1 * factor)
    Gauge("nothing", "Never set.", ["model"], registry=registry)
    Gauge("unknown", "No number.", registry=registry).set(math.inf)
    Info("build", "Of this.", registry=registry).info({"version": "1"})
    histogram = Histogram("wait_seconds", "Waits.", ["priority"], buckets=(0.1, 1.0), registry=registry)
    for value in (0.05, 0.5, 5.0)[:factor]:
        histogram.labels("urgent").observe(value)
    return registry


def merged(**processes: CollectorRegistry) -> CollectorRegistry:
    """Returns what the front tells of processes."""
    registry = CollectorRegistry()
    registry.register(MergedMetrics(lambda: {label[1:]: dump(found) for label, found in processes.items()}))
    return registry


def values(text: str, parse) -> dict[tuple, float]:
    """Returns the values of a page by name and labels."""
    samples = (sample for family in parse(text) for sample in family.samples)
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}


@FORMATS
def test_every_series_of_every_process_is_there_with_its_value(generate, parse):
    processes = {"_0": process(1), "_1": process(3)}
    found = values(generate(merged(**processes)).decode(), parse)
    expected = {
        (name, *sorted([*labels, ("process", label[1:])])): value
        for label, registry in processes.items()
        for (name, *labels), value in values(generate(registry).decode(), parse).items()
    }
    assert found == expected
    assert found["calls_total", ("code", AWKWARD), ("process", "1")] == 9
    assert found["calls_created", ("code", AWKWARD), ("process", "0")] > 1e9
    assert found["rows", ("process", "1")] == 0.1 * 3
    assert found["unknown", ("process", "0")] == math.inf
    assert found["wait_seconds_bucket", ("le", "1.0"), ("priority", "urgent"), ("process", "1")] == 2
    assert found["wait_seconds_count", ("priority", "urgent"), ("process", "1")] == 3


@FORMATS
def test_types_and_words_are_kept_and_said_once(generate, parse):
    one, several = process(1), generate(merged(_0=process(1), _1=process(2))).decode()
    headers = [line for line in generate(one).decode().splitlines() if line.startswith(("# HELP", "# TYPE"))]
    assert [line for line in several.splitlines() if line.startswith(("# HELP", "# TYPE"))] == headers
    assert len(headers) > 10


def test_what_only_one_process_has_is_there():
    rare = CollectorRegistry()
    Counter("rare", "Seldom.", registry=rare).inc()
    found = values(generate_latest(merged(_0=process(1), _1=rare)).decode(), text_string_to_metric_families)
    assert found["rare_total", ("process", "1")] == 1
    assert ("rare_total", ("process", "0")) not in found


def test_no_process_is_an_empty_page():
    assert merge({}) == []
