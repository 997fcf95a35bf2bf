"""The job "import-model": a foreign ONNX generator becomes a sampler graph and a published model version."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import onnxruntime
from sqlalchemy.orm import Session

from synthmill.catalog import columns, uploading
from synthmill.catalog.publishing import add_model_version
from synthmill.catalog.tables import ModelVersion
from synthmill.catalog.verifying import CARD_JSON, CARD_MARKDOWN, PLAIN_KIND, SAMPLER
from synthmill.kinds.base import PICTURE_MEDIA_TYPE
from synthmill.kinds.registry import get_kind
from synthmill.learning.graph.check import GraphInfo, check_graph
from synthmill.learning.graph.wrap import wrap_foreign
from synthmill.runtime.errors import BadGraph, InvalidField
from synthmill.runtime.jobs.context import JobContext
from synthmill.runtime.memory import bounded_memory

TYPE = "import-model"
FAMILY = "imported"
SAMPLES = "samples.png"

_SAMPLES = 40
_SAMPLE_COLUMNS = 10

Columns = dict[str, np.ndarray]


def run(context: JobContext) -> None:
    """Wraps the uploaded graph, draws a few samples to prove it, and publishes one model version, or nothing."""
    with bounded_memory(context.config.job_memory_mb):
        _import(context)


def _import(context: JobContext) -> None:
    given = context.parameters
    foreign = uploading.artifact_of(given["upload"])
    context.progress(0, 3, "steps", phase="wrap")
    graph = wrap_foreign(
        context.store.get_bytes(foreign),
        kind=given["kind"],
        labels=given["labels"],
        parameters=given["parameters"],
        lineage={"file_name": foreign.name, "sha256": foreign.sha256, "job": context.name},
    ).SerializeToString()
    info = check_graph(graph)
    check_fits_kind(info)
    context.progress(1, 3, "steps", phase="sample")
    samples = draw_samples(graph, info, _SAMPLES, context.config.trial_s)
    context.progress(2, 3, "steps", phase="publish")
    _publish(context, graph, info, samples)


def check_fits_kind(info: GraphInfo) -> None:
    """Checks that the samples of a graph are what its kind stores.

    Raises:
        InvalidField: they are not.
    """
    if info.metadata.kind == PLAIN_KIND:
        return
    try:
        wanted = get_kind(info.metadata.kind).columns(dict(info.metadata.schema))
    except KeyError:
        wanted = {}
    if wanted != info.columns:
        made = ", ".join(f"{name}: {dtype} {list(shape)}" for name, (dtype, shape) in info.columns.items())
        raise InvalidField("kind", info.metadata.kind, f"{PLAIN_KIND}, or parameters that fit; the graph makes {made}")


def draw_samples(graph: bytes, info: GraphInfo, count: int, limit_s: float) -> Columns:
    """Runs a sampler graph for the indices from 0 on and seed 0, with the labels in turn.

    Args:
        limit_s: how long that may take, in seconds.

    Raises:
        BadGraph: it cannot be run, takes longer, or what comes out is not what it announces.
    """
    indices = np.arange(count, dtype=np.int64)
    feeds: Columns = {"seed": np.array([0], np.uint64), "index": indices}
    if info.conditional:
        feeds["label"] = indices % len(info.metadata.labels)
    # A loop may go round as often as it likes; ONNX Runtime looks at this between two nodes.
    run = onnxruntime.RunOptions()
    timer = threading.Timer(limit_s, setattr, (run, "terminate", True))
    timer.daemon = True
    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        timer.start()
        outputs = session.run(list(info.columns), feeds, run)
    # ONNX Runtime has an exception class per status, which share no base but this one.
    except Exception as error:
        if run.terminate:
            raise BadGraph(f"{count} samples take more than {limit_s:g} s", value=limit_s) from error
        raise BadGraph(f"the graph cannot be run: {error}") from error
    finally:
        timer.cancel()
    samples = dict(zip(info.columns, outputs, strict=True))
    for name, (dtype, shape) in info.columns.items():
        found = samples[name]
        if found.dtype != dtype or found.shape != (count, *shape):
            raise BadGraph(f"{name}: announced as {dtype} {shape}, came out as {found.dtype} {found.shape[1:]}")
        if dtype.kind == "f" and not np.isfinite(found).all():
            raise BadGraph(f"{name}: has numbers that are not finite")
    return samples


def make_card(info: GraphInfo, model: str) -> dict[str, Any]:
    """Returns the model card as JSON."""
    metadata = info.metadata
    return {
        "model": model,
        "kind": metadata.kind,
        "schema": dict(metadata.schema),
        "family": metadata.family,
        "labels": list(metadata.labels),
        "columns": {name: {"dtype": str(dtype), "shape": list(shape)} for name, (dtype, shape) in info.columns.items()},
        "latent_size": info.latent_size,
        "noise": metadata.noise,
        "lineage": dict(metadata.lineage),
        "license": metadata.license,
        "synthetic": True,
    }


def render_card(card: dict[str, Any]) -> str:
    """Returns the model card as Markdown."""
    lines = [f"# {card['model']}", "", "An imported generator; what it makes is synthetic.", "", "| | |", "|---|---|"]
    for name in ("kind", "family", "latent_size", "noise", "license"):
        lines.append(f"| {name.replace('_', ' ')} | {card[name] or 'not stated'} |")
    lines.append(f"| labels | {', '.join(card['labels']) or 'none'} |")
    lines += [f"| column {name} | {column['dtype']} {column['shape']} |" for name, column in card["columns"].items()]
    lines += [f"| origin: {name} | {value} |" for name, value in card["lineage"].items()]
    return "\n".join(lines) + "\n"


def _picture(info: GraphInfo, samples: Columns) -> bytes:
    labels = info.metadata.labels
    captions = [labels[position % len(labels)] for position in range(_SAMPLES)] if labels else []
    return get_kind(info.metadata.kind).picture(samples, dict(info.metadata.schema), captions, _SAMPLE_COLUMNS)


def _publish(context: JobContext, graph: bytes, info: GraphInfo, samples: Columns) -> None:
    store, given = context.store, context.parameters
    card = make_card(info, given["model"])
    sampler = store.put_bytes(graph, SAMPLER, "application/octet-stream")
    artifacts = [
        sampler,
        store.put_bytes(json.dumps(card, indent=2).encode(), CARD_JSON, "application/json"),
        store.put_bytes(render_card(card).encode(), CARD_MARKDOWN, "text/markdown"),
    ]
    if info.metadata.kind != PLAIN_KIND:
        artifacts.append(store.put_bytes(_picture(info, samples), SAMPLES, PICTURE_MEDIA_TYPE))
    version = ModelVersion(
        kind=info.metadata.kind,
        family=FAMILY,
        labels=list(info.metadata.labels),
        columns=columns.to_json(info.columns),
        digest=sampler.sha256,
        dataset="",
        job=context.name,
        metrics={},
        request_id=None,
        request_digest="",
    )

    def publish(session: Session) -> str:
        uploading.forget_upload(session, given["upload"])
        return add_model_version(session, store, given["model"], version, artifacts)

    context.finish(publish)
