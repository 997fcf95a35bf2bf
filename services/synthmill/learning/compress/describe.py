"""Writes down what was done to a model: in the sampler graph, in the card, as metrics."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import onnx

from synthmill.learning.compress.judge import TSTR, Verdict
from synthmill.learning.compress.parts import names_read, split
from synthmill.learning.compress.task import FLOAT16, INT8, PRUNE, CompressionTask
from synthmill.learning.graph.batching import smallest_batch
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.graph.metadata import with_metadata

_OWN_PARAMETERS = {
    PRUNE: ("prune_share", "fine_tune_steps", "fine_tune_seconds", "fine_tune_rate", "fine_tune_batch_size"),
    INT8: ("calibration_samples", "reduce_range"),
    FLOAT16: (),
}


@dataclasses.dataclass(frozen=True)
class Measured:
    """Figures of before and after.

    Attributes:
        size: bytes of the sampler graphs.
        rates: samples per second by batch size, each {"before": ..., "after": ...}.
        threads: that computed a batch; 0 means one per core.
        verdict: what was lost.
        judged_on: dataset and split, empty if samples were compared.
        fine_tune: steps, seconds and loss of the fine-tune, if there was one.
        channels: channels before and after by group, if some were pruned.
    """

    size: Mapping[str, int]
    rates: Mapping[int, Mapping[str, float]]
    threads: int
    verdict: Verdict
    judged_on: str
    fine_tune: Mapping[str, float]
    channels: Mapping[str, list[int]]


def add_lineage(data: bytes, lineage: Mapping[str, Any]) -> bytes:
    """Returns a sampler graph with another lineage, and with the batch size that its new operators need."""
    model = onnx.load_from_string(data)
    parts = split(model.graph)
    nodes = [*parts.body, *parts.finish]
    read = {name for node in nodes for name in names_read(node)}
    generator = onnx.GraphProto(node=nodes, initializer=[each for each in model.graph.initializer if each.name in read])
    changed = with_metadata(model, lineage=lineage, smallest_batch=smallest_batch(generator))
    return changed.SerializeToString(deterministic=True)


def compressed_lineage(task: CompressionTask, lineage: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the lineage of the original, and what was done to it."""
    return {
        **lineage,
        "compressed_from": task.version,
        "compressed_from_digest": task.digest,
        "compressed_by": list(task.methods),
        "compression_job": task.job,
    }


def to_metrics(measured: Measured) -> dict[str, float]:
    """Returns the figures under the names that a model version has them by."""
    verdict = measured.verdict
    metrics: dict[str, float] = {
        "bytes_before": measured.size["before"],
        "bytes_after": measured.size["after"],
        **measured.fine_tune,
    }
    for size, rates in measured.rates.items():
        metrics[f"samples_per_second_before_{size}"] = rates["before"]
        metrics[f"samples_per_second_after_{size}"] = rates["after"]
        metrics[f"speed_ratio_{size}"] = rates["after"] / rates["before"]
    if verdict.measure == TSTR:
        metrics |= {"tstr_before": verdict.before, "tstr_after": verdict.after, "loss_points": verdict.loss}
        metrics["loss_standard_error"] = verdict.standard_error
    else:
        metrics["difference_points"] = verdict.loss
    return metrics


def to_section(task: CompressionTask, measured: Measured) -> dict[str, Any]:
    """Returns the part of the card that tells of the compression."""
    names = [name for method in task.methods for name in _OWN_PARAMETERS[method]]
    return {
        "methods": list(task.methods),
        "parameters": {name: task.parameters[name] for name in names},
        "from": task.version,
        "from_digest": task.digest,
        "channels": {group: list(counts) for group, counts in measured.channels.items()},
        "max_loss": task.max_loss,
        "judged_on": measured.judged_on,
        "processor": platform.processor() or platform.machine(),
        "threads": measured.threads,
        "seed": task.seed,
        "before_after": _rows(measured),
    }


def build_card(
    task: CompressionTask,
    info: GraphInfo,
    lineage: Mapping[str, Any],
    measured: Measured,
    metrics: Mapping[str, float],
) -> dict[str, Any]:
    """Returns the card of the result: the original's, with what has changed."""
    metadata = info.metadata
    libraries = {name: version(name) for name in ("synthmill", "onnx", "onnxruntime", "numpy")}
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
        "compression": to_section(task, measured),
    }


def _rows(measured: Measured) -> list[dict[str, Any]]:
    """Returns a row for each figure that there is of before and of after."""
    verdict = measured.verdict
    rows: list[dict[str, Any]] = [{"figure": "size of the sampler graph, bytes", **measured.size}]
    rows += [
        {"figure": f"samples per second, batch {size}", **rates, "ratio": rates["after"] / rates["before"]}
        for size, rates in measured.rates.items()
    ]
    if verdict.measure == TSTR:
        figure = f"accuracy of {verdict.probes} probes trained on {verdict.samples} samples, tested on real, points"
        row: dict[str, Any] = {"figure": figure, "before": verdict.before, "after": verdict.after}
    else:
        row = {"figure": f"mean difference of {verdict.samples} samples with the same address, points of the range"}
    return [*rows, {**row, "loss": verdict.loss, "standard_error": verdict.standard_error}]
