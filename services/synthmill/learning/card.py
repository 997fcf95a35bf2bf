"""The model card: what a model is, where it comes from and what was measured, as JSON and as Markdown."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from synthmill.learning.task import TrainingTask

_LIBRARIES = ("synthmill", "torch", "lightning-fabric", "onnx", "onnxruntime", "numpy")
_NOTICE = "Every sample of this model is synthetic: drawn by a generator, no record of a person or thing."


def build_card(task: TrainingTask, *, training: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    """Returns the card as JSON.

    Args:
        task: what was trained.
        training: how it went: device, precision, time, records.
        metrics: figures measured at the end.
    """
    return {
        "model": task.model,
        "family": task.family,
        "kind": task.kind,
        "schema": dict(task.schema),
        "labels": list(task.labels),
        "license": task.license,
        "synthetic": True,
        "notice": _NOTICE,
        "lineage": dict(task.lineage),
        "seed": task.seed,
        "parameters": dict(task.parameters),
        "training": dict(training),
        "metrics": dict(metrics),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }


def to_json(card: Mapping[str, Any]) -> str:
    """Writes a card for programs."""
    return json.dumps(card, indent=2, ensure_ascii=False) + "\n"


def to_markdown(card: Mapping[str, Any]) -> str:
    """Writes a card for people; what a card does not have, such as the training of an imported model, is left out."""
    labels = card["labels"]
    about = {
        "Kind": card["kind"],
        "Family": card["family"],
        "Classes": f"{len(labels)}: {', '.join(labels)}" if labels else "none",
        "Licence": card["license"] or "not stated",
        "Seed": card.get("seed", "not stated"),
        "Schema": card["schema"],
    }
    sections = {
        "Lineage": "lineage",
        "Measured": "metrics",
        "Training": "training",
        "Hyper-parameters": "parameters",
        "Versions": "versions",
    }
    parts = [f"# {card['model']}", card.get("notice", _NOTICE), _table(about)]
    if "compression" in card:
        parts += _compression(card["compression"])
    for title, name in sections.items():
        if name in card:
            parts += [f"## {title}", _table(card[name]) if card[name] else "Nothing."]
    return "\n\n".join(parts) + "\n"


def _compression(section: Mapping[str, Any]) -> list[str]:
    """Returns the paragraphs on a compression: how, then each figure before and after."""
    how = {name: value for name, value in section.items() if name != "before_after"}
    columns = ("figure", "before", "after", "ratio", "loss", "standard_error")
    rows = ["| " + " | ".join(name.replace("_", " ").capitalize() for name in columns) + " |", "|---" * 6 + "|"]
    for row in section["before_after"]:
        rows.append("| " + " | ".join(_cell(row.get(name, "")) for name in columns) + " |")
    return ["## Compression", _table(how), "\n".join(rows)]


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.6g}"
    elif isinstance(value, (Mapping, list, tuple)):
        value = json.dumps(value, ensure_ascii=False)
    # What a user has named must not end the cell or begin markup of its own.
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
