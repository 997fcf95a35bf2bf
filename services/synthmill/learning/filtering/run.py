"""Gives one model version opinions and a filter, from its files to those of the next."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from synthmill.kinds.base import Kind, Learning, load_weights
from synthmill.kinds.registry import get_kind
from synthmill.learning import card
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.devices import open_fabric
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.filtering import describe
from synthmill.learning.filtering.choice import choose_bound
from synthmill.learning.filtering.judge import Judge
from synthmill.learning.filtering.networks import Confidence, Score, add_network, restore_critic
from synthmill.learning.filtering.records import Records, open_records
from synthmill.learning.filtering.task import FilteringResult, FilteringTask
from synthmill.learning.graph.check import GraphInfo, check_graph, require_no_opinions
from synthmill.learning.probing import Probing, classify, learn
from synthmill.learning.task import (
    DEFAULT_MACHINE,
    LABEL,
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
from synthmill.runtime.filters import CONFIDENCE, SCORE

_PICTURED = 40
_PICTURE_COLUMNS = 10


@dataclasses.dataclass(frozen=True)
class _Run:
    """What all steps of a run share."""

    task: FilteringTask
    info: GraphInfo
    records: Records
    folder: Path
    machine: Machine
    device: torch.device
    progress: ProgressCallback
    check: CheckCallback
    say: SayCallback

    def report(self, phase: str, done: int, total: int) -> None:
        self.progress(Progress(phase, done, total))

    @property
    def kind(self) -> Kind:
        return get_kind(self.info.metadata.kind)

    @property
    def learning(self) -> Learning:
        return self.kind.learning()

    def plan(self, steps: int) -> Probing:
        """Returns how a probe learns."""
        metadata = self.info.metadata
        return Probing(self.learning, dict(metadata.schema), len(metadata.labels), steps, self.device)


def filter_model(
    task: FilteringTask,
    scratch: Path,
    *,
    machine: Machine = DEFAULT_MACHINE,
    progress: ProgressCallback = ignore_progress,
    check: CheckCallback = never_stop,
    say: SayCallback = say_nothing,
) -> FilteringResult:
    """Trains the probe, puts it into the sampler graph, chooses the filter by utility, and describes the result.

    Args:
        task: what to filter, and how.
        scratch: folder of this run alone; a later call with the same task and folder goes on where this one ended.
        machine: devices and threads.
        progress: called with every report, from this thread.
        check: called between steps; raises `Cancelled` to stop.
        say: told what was measured, in words.

    Raises:
        FailedPrecondition: the model has no classes, or opinions already.
        BadData: weights or real records do not fit the graph.
        Internal: the graph's opinions are not those of the networks, or the samples have changed.
    """
    original = task.graph.read_bytes()
    info = check_graph(original)
    require_no_opinions(info, task.version)
    if not info.metadata.labels:
        raise FailedPrecondition(f"{task.version} has no classes for a probe to tell apart", field="model")
    folder = scratch / f"filter-{_digest(task)}"
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        device = open_fabric(machine).device
        run = _Run(task, info, open_records(task, info), folder, machine, device, progress, check, say)
        probe, accuracy = _train_probe(run)
        graph = _add_confidence(run, original, probe)
        judge = _judge(run, graph)
        trials = judge.judge(run.report, check)
        chosen = choose_bound(trials)
        for trial in trials:
            say(describe.sentence(trial))
        graph, has_score = _add_score(run, graph)
    measured = describe.Measured(trials, chosen, accuracy, run.records.where, judge.samples, has_score)
    return _write(run, graph, judge, measured)


def _train_probe(run: _Run) -> tuple[nn.Module, float]:
    """Returns the probe on the CPU, trained unless an earlier attempt has done so, and its accuracy."""
    task, path = run.task, run.folder / "probe.safetensors"
    plan = run.plan(task.parameters["opinion_steps"])
    run.report("training the probe", 0, 1)
    if path.exists():
        probe = plan.learning.probe(plan.schema, plan.label_count)
        load_weights(probe, load(path.read_bytes()))
        probe.to(run.device)
    else:
        seed = derive_seed(task.seed, Stream.OPINION)
        probe = learn(plan, run.records.supply(seed), seed, run.check)
        weights = {name: tensor.cpu().contiguous() for name, tensor in probe.state_dict().items()}
        write_atomically(path, save(weights))
    judged = run.records.judged
    accuracy = float((classify(plan, probe.eval(), judged, run.check) == judged[LABEL]).mean())
    run.say(f"the probe classifies {accuracy:.2%} of the real records that filters are judged on ({run.records.where})")
    return probe.to("cpu", memory_format=torch.contiguous_format), accuracy


def _add_confidence(run: _Run, original: bytes, probe: nn.Module) -> bytes:
    path = run.folder / "confidence.onnx"
    if not path.exists():
        run.report("composing the graph", 0, 1)
        opinion = Confidence(probe, run.learning, list(run.info.columns))
        write_atomically(path, add_network(original, CONFIDENCE, opinion, run.info))
    return path.read_bytes()


def _add_score(run: _Run, graph: bytes) -> tuple[bytes, bool]:
    """Returns the graph with the critic's score, if that is wanted and there is a critic, and whether it has it."""
    critic = restore_critic(run.task, run.info) if run.task.parameters["score"] else None
    if critic is None:
        return graph, False
    run.report("composing the graph", 0, 1)
    return add_network(graph, SCORE, Score(critic, run.learning, list(run.info.columns)), run.info), True


def _judge(run: _Run, graph: bytes) -> Judge:
    parameters = run.task.parameters
    return Judge(
        graph=graph,
        info=run.info,
        plan=run.plan(parameters["probe_steps"]),
        test=run.records.judged,
        samples=parameters["judge_samples"] or len(run.records.learned),
        attempts=parameters["attempts"],
        probes=parameters["probe_seeds"],
        seed=run.task.seed,
        threads=run.machine.threads,
        folder=run.folder,
    )


def _write(run: _Run, graph: bytes, judge: Judge, measured: describe.Measured) -> FilteringResult:
    task = run.task
    lineage = describe.filtered_lineage(task, run.info.metadata.lineage)
    graph = describe.add_filter(graph, measured.chosen, lineage)
    check_graph(graph)
    metrics = describe.to_metrics(measured)
    described = describe.build_card(task, run.info, lineage, measured, metrics)
    contents = {
        "sampler.onnx": graph,
        "card.json": card.to_json(described).encode(),
        "card.md": card.to_markdown(described).encode(),
        "samples.png": _picture(run, judge, measured.chosen.min_confidence),
    }
    folder = run.folder / "model"
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    kept = {"weights.safetensors": task.weights} if task.weights else {}
    return FilteringResult({**{name: folder / name for name in contents}, **kept}, metrics)


def _picture(run: _Run, judge: Judge, bound: float | None) -> bytes:
    """Draws the first samples under the filter."""
    labels = run.info.metadata.labels
    columns = min(len(labels), _PICTURE_COLUMNS)
    batch = judge.first_samples(_PICTURED, bound, run.report, run.check)
    captions = [labels[label] for label in batch.pop(LABEL)]
    return run.kind.picture(batch, dict(run.info.metadata.schema), captions, columns)


def _digest(task: FilteringTask) -> str:
    """Names everything that decides what is made; where the files lie does not."""
    described: Mapping[str, Any] = {
        "digest": task.digest,
        "dataset": task.dataset,
        "validation": sorted(task.validation),
        "parameters": dict(task.parameters),
        "seed": task.seed,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
