"""Metrics that dashboards, alerts and autoscalers ask for, held against those that services define."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deploy_checks.folder import Folder

_SERVICES = Path(__file__).parents[2] / "services"
_ASKING = ("grafana/*.json", "prometheus/alerts.yaml", "kubernetes/**/*.yaml")
_DEFINED = re.compile(r"\b(Counter|Gauge|Histogram|GaugeMetricFamily)\(\s*\"(synthmill_\w+)\"")
_ASKED = re.compile(r"\bsynthmill_\w+")
_SUFFIXES = {
    "Counter": ("_total",),
    "Histogram": ("_bucket", "_sum", "_count"),
    "Gauge": ("",),
    "GaugeMetricFamily": ("",),
}


def defined(folder: Folder) -> Iterator[str]:
    """Metrics that are asked for, and that no service tells."""
    told = {name for names in _told().values() for name in names}
    for name, place in _asked(folder).items():
        if name not in told:
            yield f"{place}: no service tells {name}"


def used(folder: Folder) -> Iterator[str]:
    """Metrics that services tell, and that nothing asks for."""
    asked = _asked(folder)
    for metric, names in _told().items():
        if not any(name in asked for name in names):
            yield f"services: nothing asks for {metric}"


def _told() -> dict[str, list[str]]:
    """Returns the names that can be asked for, by metric."""
    texts = (path.read_text() for path in sorted(_SERVICES.rglob("*.py")))
    found = (match for text in texts for match in _DEFINED.findall(text))
    return {name: [name + suffix for suffix in _SUFFIXES[sort]] for sort, name in found}


def _asked(folder: Folder) -> dict[str, str]:
    """Returns where a name is asked for."""
    paths = (path for pattern in _ASKING for path in sorted(folder.path.glob(pattern)))
    return {name: str(path.relative_to(folder.path)) for path in paths for name in _ASKED.findall(path.read_text())}
