"""What the dashboards ask for, and what services expose."""

from __future__ import annotations

import dataclasses
import json
import re
import urllib.request
from pathlib import Path
from typing import Self

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

FOLDER = Path(__file__).parents[3] / "deploy/grafana"
GIVEN_BY_PROMETHEUS = {"instance", "job", "le"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


class Dashboard:
    """A dashboard of `deploy/grafana`.

    Attributes:
        everything: its panels and rows.
        panels: its panels.
        queries: what they ask for.
    """

    def __init__(self, name: str) -> None:
        self.everything: list[dict] = json.loads((FOLDER / name).read_text())["panels"]
        self.panels = [panel for panel in self.everything if panel["type"] != "row"]
        self.queries = [target["expr"] for panel in self.panels for target in panel["targets"]]


@dataclasses.dataclass(frozen=True)
class Exposed:
    """What services expose.

    Attributes:
        names: names that can be asked for.
        labels: labels by name, of those that have a value.
    """

    names: set[str]
    labels: dict[str, set[str]]

    @classmethod
    def at(cls, *addresses: str) -> Self:
        """Reads the metrics at some addresses, "host:port"."""
        families = [family for address in addresses for family in _families(address)]
        names = {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ())}
        samples = [sample for family in families for sample in family.samples]
        return cls(names, {sample.name: set(sample.labels) for sample in samples})


def metrics_of(query: str) -> list[tuple[str, set[str]]]:
    """Returns the metrics of a query, each with the labels that it is selected by."""
    found = re.findall(r"\b((?:synthmill|process)_\w+)(?:{([^}]*)})?", query)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))) for name, matchers in found]


def grouped_by(query: str) -> set[str]:
    """Returns the labels that a query tells apart."""
    return {label.strip() for group in re.findall(r"\bby\s*\(([^)]*)\)", query) for label in group.split(",")}


def labels_not_there(queries: list[str], exposed: Exposed, missing: set[str]) -> tuple[set[tuple[str, str]], set[str]]:
    """Returns pairs of query and label that is not there, and the metrics that had values to see that by.

    Args:
        missing: labels that such a service has no use for.
    """
    faults, checked = set(), set()
    for query in queries:
        for name, labels in metrics_of(query):
            if name in exposed.labels:
                asked = (labels | grouped_by(query)) - missing - GIVEN_BY_PROMETHEUS
                faults |= {(query, label) for label in asked - exposed.labels[name]}
                checked.add(name)
    return faults, checked


def _families(address: str) -> list[Metric]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return list(text_string_to_metric_families(answer.read().decode()))
