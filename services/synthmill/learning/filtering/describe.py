"""Writes down how a filter was found: in the sampler graph, in the card, as metrics."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import onnx

from synthmill.learning.filtering.choice import Trial
from synthmill.learning.filtering.task import FilteringTask
from synthmill.learning.graph.check import FILTERED_FROM, GraphInfo
from synthmill.learning.graph.metadata import with_metadata


@dataclasses.dataclass(frozen=True)
class Measured:
    """How a filter was found.

    Attributes:
        trials: every bound that was tried, from the loosest on.
        chosen: one of them.
        probe_accuracy: of the probe whose confidence is the opinion, on the records that filters were judged on.
        judged_on: which records these are.
        samples: that each probe of the judgement learned from.
        has_score: whether the graph has the critic's score too.
    """

    trials: Sequence[Trial]
    chosen: Trial
    probe_accuracy: float
    judged_on: str
    samples: int
    has_score: bool


def filtered_lineage(task: FilteringTask, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the lineage of the original, and what it was filtered by."""
    return {
        **lineage,
        FILTERED_FROM: task.version,
        "filtered_from_digest": task.digest,
        "filtered_by": task.dataset,
        "filtering_job": task.job,
    }


def add_filter(data: bytes, chosen: Trial, lineage: Mapping[str, Any]) -> bytes:
    """Returns a sampler graph whose own filter is a bound."""
    bounds = {} if chosen.min_confidence is None else {"min_confidence": chosen.min_confidence}
    changed = with_metadata(onnx.load_from_string(data), filter=bounds, lineage=lineage)
    return changed.SerializeToString(deterministic=True)


def to_metrics(measured: Measured) -> dict[str, float]:
    """Returns the figures under the names that a model version has them by; accuracies are in points."""
    unfiltered = measured.trials[0]
    metrics = {
        "opinion_probe_accuracy": 100 * measured.probe_accuracy,
        "filter_min_confidence": measured.chosen.min_confidence or 0.0,
        "filter_gain_points": 100 * (measured.chosen.accuracy - unfiltered.accuracy),
    }
    for trial in measured.trials:
        suffix = "unfiltered" if trial.min_confidence is None else f"at_confidence_{trial.min_confidence:g}"
        metrics[f"tstr_{suffix}"] = 100 * trial.accuracy
        metrics[f"tstr_standard_error_{suffix}"] = 100 * trial.standard_error
        metrics[f"passed_first_{suffix}"] = trial.passed_first
        metrics[f"passed_{suffix}"] = trial.passed
    return metrics


def to_section(task: FilteringTask, measured: Measured) -> dict[str, Any]:
    """Returns the part of the card that tells of the filter."""
    chosen = measured.chosen.min_confidence
    return {
        "from": task.version,
        "from_digest": task.digest,
        "opinions": "confidence of a probe that learned from real records"
        + (", score by the critic of the training" if measured.has_score else ""),
        "opinion_probe_accuracy": measured.probe_accuracy,
        "own_filter": "none: no bound was worth it" if chosen is None else f"confidence of at least {chosen:g}",
        "chosen_by": "the loosest bound within one standard error of the best one's accuracy",
        "judged_on": measured.judged_on,
        "samples": measured.samples,
        "probes": len(measured.chosen.accuracies),
        "parameters": dict(task.parameters),
        "seed": task.seed,
        "trials": [_row(trial) for trial in measured.trials],
    }


def build_card(
    task: FilteringTask, info: GraphInfo, lineage: Mapping[str, Any], measured: Measured, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Returns the card of the result: the original's, with what has been added."""
    metadata = info.metadata
    libraries = {name: version(name) for name in ("synthmill", "onnx", "onnxruntime", "numpy", "torch")}
    return {
        "model": task.version.split("/")[1],
        "kind": metadata.kind,
        "family": metadata.family,
        "schema": dict(metadata.schema),
        "labels": list(metadata.labels),
        "license": metadata.license,
        "synthetic": True,
        **task.card,
        "lineage": dict(lineage),
        "metrics": {**task.card.get("metrics", {}), **metrics},
        "versions": {**task.card.get("versions", {}), "python": platform.python_version(), **libraries},
        "filter": to_section(task, measured),
    }


def sentence(trial: Trial) -> str:
    """Says what a bound was found to be worth."""
    bound = "no filter" if trial.min_confidence is None else f"confidence of at least {trial.min_confidence:g}"
    return (
        f"{bound}: accuracy {100 * trial.accuracy:.2f} (standard error {100 * trial.standard_error:.2f}); "
        f"{trial.passed_first:.1%} pass at once, {trial.passed:.1%} in the end"
    )


def _row(trial: Trial) -> dict[str, Any]:
    return {
        "min_confidence": "none" if trial.min_confidence is None else trial.min_confidence,
        "accuracy": 100 * trial.accuracy,
        "standard_error": 100 * trial.standard_error,
        "passed_first": trial.passed_first,
        "passed": trial.passed,
    }
