"""Compresses one model version, from its files to those of the next, or refuses to."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from lightning_fabric import Fabric
from safetensors.torch import save

from synthmill.kinds.base import Kind
from synthmill.kinds.registry import all_kinds
from synthmill.learning import card
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.compress import describe, student
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.compress.half import to_half
from synthmill.learning.compress.judge import TSTR, Judge, Verdict, compare_samples
from synthmill.learning.compress.parts import require_float32
from synthmill.learning.compress.quantise import quantise
from synthmill.learning.compress.speed import measure_speed
from synthmill.learning.compress.task import FLOAT16, INT8, PRUNE, CompressionResult, CompressionTask
from synthmill.learning.devices import open_fabric
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.graph.check import GraphInfo, check_graph, require_no_opinions
from synthmill.learning.task import (
    DEFAULT_MACHINE,
    CheckCallback,
    Machine,
    Progress,
    ProgressCallback,
    SayCallback,
    ignore_progress,
    never_stop,
    say_nothing,
)
from synthmill.runtime.errors import FailedPrecondition

_PICTURED = 40
_PICTURE_COLUMNS = 10


@dataclasses.dataclass(frozen=True)
class _Run:
    """What all steps of a compression share."""

    task: CompressionTask
    info: GraphInfo
    original: bytes
    folder: Path
    machine: Machine
    fabric: Fabric
    progress: ProgressCallback
    check: CheckCallback
    say: SayCallback

    def report(self, phase: str, done: int, total: int) -> None:
        self.progress(Progress(phase, done, total))

    @property
    def label_count(self) -> int:
        return len(self.info.metadata.labels)


def compress(
    task: CompressionTask,
    scratch: Path,
    *,
    machine: Machine = DEFAULT_MACHINE,
    progress: ProgressCallback = ignore_progress,
    check: CheckCallback = never_stop,
    say: SayCallback = say_nothing,
) -> CompressionResult:
    """Applies the methods, measures what they gain and cost, and describes the result.

    Args:
        task: what to compress, and how.
        scratch: folder of this run alone; a later call with the same task and folder goes on where this one ended.
        machine: devices, precision and intervals.
        progress: called with every report, from this thread.
        check: called between steps; raises `Cancelled` to stop.
        say: told what was measured, in words.

    Raises:
        FailedPrecondition: the model cannot be compressed this way, or more utility was lost than `task.max_loss`.
        BadData: weights, card or real records do not fit the graph.
        Diverged: the fine-tune left the finite numbers.
        Internal: a graph does not do what its network does.
    """
    original = task.graph.read_bytes()
    info = check_graph(original)
    require_no_opinions(info, task.version)
    require_float32(onnx.load_from_string(original))
    folder = scratch / f"compress-{_digest(task)}"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        run = _Run(task, info, original, folder, machine, open_fabric(machine), progress, check, say)
        made = _make(run)
        verdict = _judge(run, made.graph)
        _require_within_bound(run, verdict)
        measured = _measure(run, made, verdict)
    return _write(run, made, measured)


def _make(run: _Run) -> student.Made:
    """Applies the methods in their order."""
    task = run.task
    lineage = describe.compressed_lineage(task, run.info.metadata.lineage)
    made = student.Made(run.original)
    if PRUNE in task.methods:
        given = student.Given(task, run.info, run.original, run.folder / "fine-tune")
        made = student.make(given, lineage, run.machine, run.fabric, progress=run.progress, check=run.check)
    run.check()
    graph = made.graph
    if INT8 in task.methods:
        run.report("calibrating", 0, 1)
        graph = quantise(
            graph,
            seed=derive_seed(task.seed, Stream.CALIBRATION),
            samples=task.parameters["calibration_samples"],
            reduce_range=task.parameters["reduce_range"],
        )
    if FLOAT16 in task.methods:
        graph = to_half(graph)
        run.say("float16 is for GPUs: on a CPU it makes the graph smaller, not faster")
    graph = describe.add_lineage(graph, lineage)
    check_graph(graph)
    # The weights are those of a float32 graph; with others they would only mislead.
    return dataclasses.replace(made, graph=graph, weights=made.weights if task.methods == (PRUNE,) else None)


def _judge(run: _Run, graph: bytes) -> Verdict:
    task, parameters = run.task, run.task.parameters
    if task.real is None:
        run.say("no labels or no real records to test on: samples with the same address are compared instead")
        run.report("comparing samples", 0, 1)
        return compare_samples(run.original, graph, run.info, task.seed, run.machine.threads)
    judge = Judge(
        kind=all_kinds()[run.info.metadata.kind],
        info=run.info,
        real=task.real,
        samples=parameters["judge_samples"] or task.real.train_count,
        probes=parameters["probe_seeds"],
        steps=parameters["probe_steps"],
        seed=task.seed,
        threads=run.machine.threads,
        device=run.fabric.device,
        folder=run.folder,
    )
    return judge.judge(run.original, graph, run.report, run.check)


def _require_within_bound(run: _Run, verdict: Verdict) -> None:
    if verdict.measure == TSTR:
        found = (
            f"accuracy of probes trained on samples alone: {verdict.before:.2f} before, {verdict.after:.2f} after, "
            f"a loss of {verdict.loss:.2f} points (standard error {verdict.standard_error:.2f})"
        )
    else:
        found = f"samples with the same address differ by {verdict.loss:.2f} points of the range on average"
    run.say(found)
    if verdict.standard_error > run.task.max_loss > 0:
        run.say("the standard error is over the bound: more probe_seeds would make the verdict surer")
    if verdict.loss > run.task.max_loss:
        raise FailedPrecondition(
            f"not published: {found}; allowed: {run.task.max_loss:g}",
            field="max_loss",
            loss=f"{verdict.loss:.4f}",
            max_loss=f"{run.task.max_loss:g}",
            measure=verdict.measure,
            before=f"{verdict.before:.4f}",
            after=f"{verdict.after:.4f}",
        )


def _measure(run: _Run, made: student.Made, verdict: Verdict) -> describe.Measured:
    run.report("measuring speed", 0, 1)
    graphs = {"before": run.original, "after": made.graph}
    rates = measure_speed(graphs, run.info, run.machine.threads, run.check)
    for size, rate in rates.items():
        run.say(
            f"batch {size}: {rate['before']:,.0f} samples a second before, {rate['after']:,.0f} after, "
            f"{rate['after'] / rate['before']:.2f} times as many"
        )
    return describe.Measured(
        size={name: len(graph) for name, graph in graphs.items()},
        rates=rates,
        threads=run.machine.threads,
        verdict=verdict,
        judged_on=f"{run.task.real.dataset}, split {run.task.real.split}" if run.task.real else "",
        fine_tune=made.fine_tune,
        channels=made.channels,
    )


def _write(run: _Run, made: student.Made, measured: describe.Measured) -> CompressionResult:
    metrics = describe.to_metrics(measured)
    lineage = describe.compressed_lineage(run.task, run.info.metadata.lineage)
    described = describe.build_card(run.task, run.info, lineage, measured, metrics)
    contents = {
        "sampler.onnx": made.graph,
        "card.json": card.to_json(described).encode(),
        "card.md": card.to_markdown(described).encode(),
    }
    if made.weights is not None:
        contents["weights.safetensors"] = save(dict(made.weights), metadata={"format": "pt"})
    kind = all_kinds().get(run.info.metadata.kind)
    if kind is not None:
        contents["samples.png"] = _picture(kind, run.info, made.graph)
    folder = run.folder / "model"
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return CompressionResult({name: folder / name for name in contents}, metrics)


def _picture(kind: Kind, info: GraphInfo, graph: bytes) -> bytes:
    labels = info.metadata.labels
    columns = min(len(labels), _PICTURE_COLUMNS) or _PICTURE_COLUMNS
    names = list(info.columns)
    feeds = make_feeds(columns if labels else 0, 0, 0, _PICTURED)
    drawn = open_session(graph, threads=1).run(names, feeds)
    captions = [labels[position % columns] for position in range(_PICTURED)] if labels else []
    return kind.picture(dict(zip(names, drawn, strict=True)), info.metadata.schema, captions, columns)


def _digest(task: CompressionTask) -> str:
    """Names everything that decides what is made; where the files lie does not."""
    real = task.real and {**dataclasses.asdict(task.real), "columns": sorted(task.real.columns)}
    described: Mapping[str, Any] = {
        "digest": task.digest,
        "methods": task.methods,
        "parameters": dict(task.parameters),
        "seed": task.seed,
        "real": real,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
