"""Makes the files of a model out of a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from synthmill.kinds.base import Columns
from synthmill.kinds.registry import get_kind
from synthmill.learning import card
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.curves import write_events
from synthmill.learning.data import count_records
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.ema import recompute_batch_statistics
from synthmill.learning.export import Agreement, compare, export_sampler
from synthmill.learning.families.base import GENERATOR
from synthmill.learning.film import Film
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.graph.noise import standard_normal
from synthmill.learning.guard import require_finite
from synthmill.learning.provenance import versions
from synthmill.learning.samples import draw_grid
from synthmill.learning.state import RunState
from synthmill.learning.task import LABEL, TrainingResult, TrainingTask

_STATISTICS_BATCHES = 64
_EVENTS = "history.tfevents"


def finish(task: TrainingTask, run: RunState, columns: Columns, folder: Path, *, film: Film) -> TrainingResult:
    """Exports the averaged generator, checks the graph against it, and writes all artifacts.

    Args:
        task: what was trained.
        run: at its end, with the weights that are to be exported.
        columns: the records.
        folder: for the artifacts.
        film: the pictures of the run.

    Raises:
        Diverged: a weight is not finite.
        Internal: the graph does not do what the network does.
    """
    kind = get_kind(task.kind)
    learning, latent_size = kind.learning(), run.family.latent_size
    generator = averaged_generator(task, run)
    # Only now: the statistics that the averaged generator has just got belong to its weights.
    weights = _weights(run)
    require_finite(run.step - 1, weights)
    metadata = GraphMetadata(task.kind, task.schema, task.labels, task.family, task.lineage, task.license)
    graph = export_sampler(generator, learning, list(kind.columns(task.schema)), latent_size, metadata)
    agreement = compare(graph, generator, learning, latent_size, len(task.labels))
    metrics = _figures(run, agreement)
    picture = draw_grid(generator, kind, task.schema, task.labels, latent_size, task.seed)
    account = card.Account(_circumstances(task, run, columns), metrics, run.said, run.history.rows())
    described = card.build_card(task, account)
    contents = {
        "sampler.onnx": graph,
        "card.json": card.to_json(described).encode(),
        "card.md": card.to_markdown(described).encode(),
        "weights.safetensors": save(weights, metadata={"format": "pt"}),
        "samples.png": picture,
        "samples.gif": film.to_gif(picture),
        "history.csv": run.history.to_csv().encode(),
        "run.json": card.to_json(_resolved(task, run)).encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    write_events(folder / _EVENTS, run.history.rows())
    return TrainingResult({name: folder / name for name in (*contents, _EVENTS)}, metrics)


def _figures(run: RunState, agreement: Agreement) -> dict[str, float]:
    return {
        "export_max_difference": agreement.max_difference,
        "export_differing_share": agreement.differing_share,
        "training_seconds": run.elapsed_s,
        "steps_per_second": run.step / max(run.elapsed_s, 1e-9),
        **{f"final_{name}": value for name, value in run.history.last.items()},
        **_validated(run),
    }


def _validated(run: RunState) -> dict[str, float]:
    """Returns what the last validation of the exported weights has found."""
    best = run.course.best
    if best is None:
        return {}
    return {
        run.course.figure: best.utility,
        f"{run.course.figure}_standard_error": best.standard_error,
        "best_step": best.step,
        "diversity": best.diversity,
        "class_diversity": best.class_diversity,
        "nearest_ratio": best.nearest_ratio,
        "copied_share": best.copied_share,
    }


def _resolved(task: TrainingTask, run: RunState) -> dict[str, Any]:
    """Returns all that the run depends on and all that it has decided, for programs."""
    described = dataclasses.asdict(dataclasses.replace(task, columns={}, held_out={}))
    del described["columns"], described["held_out"]
    return {
        "task": described,
        "plan": run.plan.state()["decisions"],
        "changes": dataclasses.asdict(run.changes),
        "validations": [dataclasses.asdict(found) for found in run.course.validations],
        "versions": versions(),
    }


def averaged_generator(task: TrainingTask, run: RunState) -> nn.Module:
    """Returns the averaged generator on the CPU, with batch statistics of its own."""
    generator = run.family.sampler(run.ema.module).to("cpu", memory_format=torch.contiguous_format)
    recompute_batch_statistics(generator, _statistics_inputs(task, run))
    return generator


def _statistics_inputs(task: TrainingTask, run: RunState) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    given = run.family.parameters
    seed = derive_seed(task.seed, Stream.STATISTICS)
    for start in range(0, _STATISTICS_BATCHES * given.batch_size, given.batch_size):
        index = np.arange(start, start + given.batch_size)
        label = torch.from_numpy(index % len(task.labels)) if task.labels else None
        yield torch.from_numpy(standard_normal(seed, index, run.family.latent_size)), label


def _weights(run: RunState) -> dict[str, torch.Tensor]:
    modules = {**run.family.modules, GENERATOR: run.ema.module}
    return {
        f"{name}.{key}": tensor.cpu().contiguous()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def _circumstances(task: TrainingTask, run: RunState, columns: Columns) -> dict[str, Any]:
    fabric = run.family.fabric
    counts = np.bincount(columns[LABEL], minlength=len(task.labels)) if task.labels else []
    return {
        "records": count_records(columns),
        "records_by_class": {label: int(count) for label, count in zip(task.labels, counts, strict=True)},
        "steps": run.step,
        "ended_by": run.ended,
        "changes": dataclasses.asdict(run.changes),
        "budget_seconds": task.budget_s or "none",
        "target": "none" if task.target is None else {run.course.figure: task.target},
        "utility_measured_on": "held-out records" if task.held_out else "the records that were learned from",
        "seconds": run.elapsed_s,
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "precision": fabric.strategy.precision.precision,
        "cpu_threads": torch.get_num_threads(),
    }
