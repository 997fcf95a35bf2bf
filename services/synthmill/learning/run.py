"""Trains one model, from arrays on disk to the files of a model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from pathlib import Path

import torch
from lightning_fabric import Fabric

from synthmill.kinds.base import Columns, HyperParameters, Kind
from synthmill.kinds.registry import get_kind
from synthmill.learning.checkpoint import read_checkpoint
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.data import count_records, make_order, open_columns
from synthmill.learning.devices import open_fabric
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.ema import Ema
from synthmill.learning.families import FAMILIES
from synthmill.learning.families.base import GENERATOR
from synthmill.learning.finish import finish
from synthmill.learning.history import History
from synthmill.learning.loop import Feed, Saver, run_loop
from synthmill.learning.reporting import Reporter
from synthmill.learning.samples import draw_grid
from synthmill.learning.state import RunState
from synthmill.learning.task import (
    DEFAULT_MACHINE,
    CheckCallback,
    Machine,
    ProgressCallback,
    TrainingResult,
    TrainingTask,
    ignore_progress,
    never_stop,
)
from synthmill.runtime.errors import InvalidField

log = logging.getLogger(__name__)


def train(
    task: TrainingTask,
    scratch: Path,
    *,
    machine: Machine = DEFAULT_MACHINE,
    progress: ProgressCallback = ignore_progress,
    check: CheckCallback = never_stop,
) -> TrainingResult:
    """Trains, exports, checks the export and describes the model; goes on from a checkpoint in `scratch`.

    Args:
        task: what to train.
        scratch: folder of this run alone; a later call with the same task and folder resumes.
        machine: devices, precision and intervals.
        progress: called with every report, from this thread.
        check: called between steps; raises `Cancelled` to stop the run, which leaves a checkpoint behind.

    Raises:
        InvalidField: the task is not possible.
        FailedPrecondition: the family cannot learn data of this schema.
        BadData: the arrays do not fit the task.
        Diverged: a loss, gradient or parameter is not finite.
        Internal: the exported graph does not do what the network does.
    """
    kind = get_kind(task.kind)
    given = hyper_parameters(task.kind, task.family, task.parameters)
    columns = open_columns(task.columns, kind.columns(task.schema), len(task.labels))
    parameters = given.resolve(task.schema, count_records(columns))
    task = dataclasses.replace(task, parameters=dataclasses.asdict(parameters))
    with torch.random.fork_rng():
        fabric = open_fabric(machine)
        if not fabric.is_global_zero:
            progress, check = ignore_progress, never_stop
        run = _start(task, kind, parameters, fabric)
        folder = scratch / f"run-{_digest(task)}"
        _resume(run, folder)
        reporter = Reporter(progress, machine, run.step, parameters.steps, lambda: _grid(run, task, kind))
        saver = Saver(run, folder, machine.checkpoint_interval_s)
        feed = _feed(task, kind, columns, run)
        run_loop(run, feed, parameters.steps, saver=saver, reporter=reporter, check=check)
        result = None
        if fabric.is_global_zero:
            reporter.exporting()
            result = finish(task, run, columns, folder / "model")
        return fabric.broadcast(result)


def _start(task: TrainingTask, kind: Kind, parameters: HyperParameters, fabric: Fabric) -> RunState:
    if parameters.batch_size % fabric.world_size:
        raise InvalidField("batch_size", parameters.batch_size, f"a multiple of the {fabric.world_size} processes")
    torch.manual_seed(derive_seed(task.seed, Stream.WEIGHTS))
    family = FAMILIES[task.family](fabric, kind.learning(), task.schema, len(task.labels), parameters)
    return RunState(family, Ema(family.modules[GENERATOR], parameters.ema_decay), History(parameters.steps))


def _resume(run: RunState, folder: Path) -> None:
    checkpoint = read_checkpoint(folder)
    if checkpoint:
        run.restore(checkpoint)
        log.info("going on from step %d", run.step)


def _feed(task: TrainingTask, kind: Kind, columns: Columns, run: RunState) -> Feed:
    family = run.family
    order = make_order(columns, task.seed, len(task.labels), family.parameters.class_weights)
    return Feed(
        family.fabric,
        kind.learning(),
        columns,
        order,
        batch_size=family.parameters.batch_size,
        batches_per_step=family.batches_per_step,
        seed=task.seed,
    )


def _grid(run: RunState, task: TrainingTask, kind: Kind) -> bytes:
    return draw_grid(run.ema.module, kind, task.schema, task.labels, task.parameters["latent_size"], task.seed)


def _digest(task: TrainingTask) -> str:
    """Names everything that decides what is learned; where the arrays lie does not."""
    described = dataclasses.asdict(dataclasses.replace(task, columns={}))
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
