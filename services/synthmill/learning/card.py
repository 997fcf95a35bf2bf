"""The model card: what a model is, where it comes from and what was measured, as JSON and as Markdown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from synthmill.learning.curves import Rows, summarise
from synthmill.learning.provenance import versions
from synthmill.learning.task import TrainingTask

_NOTICE = "Every sample of this model is synthetic: drawn by a generator, no record of a person or thing."

# A class of fewer records has samples that repeat them.
_FEW = 50
_MANY_COPIES = 0.15


@dataclasses.dataclass(frozen=True)
class Account:
    """How a run went, for its card.

    Attributes:
        training: device, precision, time, records.
        metrics: figures measured at the end.
        events: what was worth reading, a sentence each.
        rows: the curves.
    """

    training: Mapping[str, Any]
    metrics: Mapping[str, float]
    events: Sequence[str] = ()
    rows: Rows = ()


def build_card(task: TrainingTask, account: Account) -> dict[str, Any]:
    """Returns the card as JSON.

    Args:
        task: what was trained.
        account: how it went.
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
        "training": dict(account.training),
        "metrics": dict(account.metrics),
        "memorisation": describe_copies(account.metrics),
        "curves": summarise(account.rows),
        "events": list(account.events),
        "limits": find_limits(task, account),
        "versions": versions(),
    }


def describe_copies(metrics: Mapping[str, float]) -> str:
    """Says whether samples are closer to training records than real records are."""
    if "copied_share" not in metrics:
        return "Not measured: the run was too short."
    ratio, share = metrics["nearest_ratio"], metrics["copied_share"]
    told = (
        f"The median distance of samples to their nearest training record is {ratio:.2f} times that of real records; "
        f"{share:.0%} of the samples are as close to one training record as 5% of real records are."
    )
    if share >= _MANY_COPIES:
        return f"Samples come closer to training records than real records do: some of them are copies. {told}"
    return told


def find_limits(task: TrainingTask, account: Account) -> list[str]:
    """Returns what a user of the model should know, a sentence each."""
    counts: Mapping[str, int] = account.training.get("records_by_class", {})
    few = {name: count for name, count in counts.items() if count < _FEW}
    limits = []
    if few:
        told = ", ".join(f"{name} ({count})" for name, count in few.items())
        limits.append(f"Fewer than {_FEW} records in {told}: samples of these classes add little to the records.")
    if "copied_share" not in account.metrics:
        limits.append("The run was too short for its samples to be measured.")
    elif not task.held_out:
        limits.append("Utility was measured on the records that were learned from: on new ones it may be lower.")
    if not task.license:
        limits.append("The licence of the data is not stated: find out before samples are passed on.")
    limits.append("The nearest neighbours are no proof of privacy: samples may still tell of single records.")
    limits.append("Samples have the gaps and the bias of the records; evaluate them on real records before use.")
    return limits


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
    parts = [f"# {card['model']}", card.get("notice", _NOTICE), _table(about)]
    for name, (title, rows, columns) in _MEASURED_CHANGES.items():
        if name in card:
            parts += _measured_change(title, card[name], rows, columns)
    for title, (name, write) in _SECTIONS.items():
        if name in card:
            parts += [f"## {title}", write(card[name]) if card[name] else "Nothing."]
    return "\n\n".join(parts) + "\n"


def _measured_change(title: str, section: Mapping[str, Any], rows: str, columns: Sequence[str]) -> list[str]:
    """Returns the paragraphs on what was done to a model after its training: how, then what was measured of it.

    Args:
        title: of the section.
        section: of the card.
        rows: name in the section of what was measured.
        columns: of the table, by their names in each row.
    """
    how = {name: value for name, value in section.items() if name != rows}
    lines = ["| " + " | ".join(name.replace("_", " ").capitalize() for name in columns) + " |"]
    lines.append("|---" * len(columns) + "|")
    lines += ["| " + " | ".join(_cell(row.get(name, "")) for name in columns) + " |" for row in section[rows]]
    return [f"## {title}", _table(how), "\n".join(lines)]


def _curves(curves: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ("first", "last", "least", "greatest")
    rows = ["| Figure | Over the run | First | Last | Least | Greatest |", "|---|---|---|---|---|---|"]
    for name, curve in curves.items():
        cells = [_cell(name), f"`{curve['curve']}`", *(_cell(curve[column]) for column in columns)]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_cell(sentence)}" for sentence in sentences)


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


_MEASURED_CHANGES = {
    "compression": (
        "Compression",
        "before_after",
        ("figure", "before", "after", "ratio", "loss", "standard_error"),
    ),
    "filter": ("Filter", "trials", ("min_confidence", "accuracy", "standard_error", "passed_first", "passed")),
}
_SECTIONS = {
    "Data": ("lineage", _table),
    "Measured": ("metrics", _table),
    "Memorisation": ("memorisation", _cell),
    "Limits": ("limits", _list),
    "Curves": ("curves", _curves),
    "Training": ("training", _table),
    "Events": ("events", _list),
    "Hyper-parameters": ("parameters", _table),
    "Versions": ("versions", _table),
}
