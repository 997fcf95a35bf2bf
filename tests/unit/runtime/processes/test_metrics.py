"""Metrics of several processes on one page: nothing lost, nothing mixed up."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from synthmill.runtime.processes.metrics import MergedMetrics, merge

AWKWARD = 'a "quoted"\nback\\slash, {brace} # and more'


def page(factor: int) -> str:
    """Returns what a process tells that has counted so many times as much as another one."""
    registry = CollectorRegistry()
    Counter("calls", "Calls, counted.", ["code"], registry=registry).labels(AWKWARD).inc(3 * factor)
    Gauge("rows", "Rows.", registry=registry).set_function(lambda: 0.5 * factor)
    Gauge("nothing", "Never set.", ["model"], registry=registry)
    Info("build", "Of this.", registry=registry).info({"version": "1"})
    histogram = Histogram("wait_seconds", "Waits.", ["priority"], buckets=(0.1, 1.0), registry=registry)
    for value in (0.05, 0.5, 5.0)[:factor]:
        histogram.labels("urgent").observe(value)
    return generate_openmetrics(registry).decode()


def samples(text: str, parse=text_string_to_metric_families) -> dict[tuple, float]:
    """Returns the values of a page by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def exposed(pages: dict[str, str], generate=generate_latest) -> str:
    registry = CollectorRegistry()
    registry.register(MergedMetrics(lambda: pages))
    return generate(registry).decode()


@pytest.mark.parametrize(
    ("generate", "parse"),
    [(generate_latest, text_string_to_metric_families), (generate_openmetrics, parse_openmetrics)],
    ids=["text", "openmetrics"],
)
def test_every_series_of_every_process_is_there_with_its_value(generate, parse):
    pages = {"0": page(1), "1": page(3)}
    found = samples(exposed(pages, generate), parse)
    expected = {
        (name, *sorted([*labels, ("process", process)])): value
        for process, text in pages.items()
        for (name, *labels), value in samples(text, parse_openmetrics).items()
    }
    assert found == expected
    assert found["calls_total", ("code", AWKWARD), ("process", "1")] == 9
    assert found["calls_created", ("code", AWKWARD), ("process", "0")] > 1e9
    assert found["rows", ("process", "0")] == 0.5
    assert found["wait_seconds_bucket", ("le", "1.0"), ("priority", "urgent"), ("process", "1")] == 2
    assert found["wait_seconds_count", ("priority", "urgent"), ("process", "1")] == 3


def test_types_and_words_are_kept_and_said_once():
    text = exposed({"0": page(1), "1": page(2)})
    for line in ("# TYPE calls_total counter", "# TYPE rows gauge", "# TYPE wait_seconds histogram"):
        assert text.count(line) == 1
    assert text.count("# HELP wait_seconds Waits.") == 1


def test_one_process_with_its_label_taken_off_is_its_own_page():
    registry = CollectorRegistry()
    Counter("calls", "Calls, counted.", registry=registry).inc(2)
    Histogram("wait_seconds", "Waits.", registry=registry).observe(1)
    (own, merged) = (
        generate_latest(registry).decode(),
        exposed({"7": generate_openmetrics(registry).decode()}),
    )
    assert merged.replace('{process="7"}', "").replace(',process="7"', "") == own


def test_what_only_one_process_has_is_there():
    registry = CollectorRegistry()
    Counter("rare", "Seldom.", registry=registry).inc()
    found = samples(exposed({"0": page(1), "1": generate_openmetrics(registry).decode()}))
    assert found["rare_total", ("process", "1")] == 1
    assert ("rare_total", ("process", "0")) not in found


def test_no_process_is_an_empty_page():
    assert merge({}) == []
