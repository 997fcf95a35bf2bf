"""Trains one model, from arrays on disk to the files of a model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from pathlib import Path

import torch
from lightning_fabric import Fabric

from synthmill.kinds.registry import get_kind
from synthmill.learning.adequacy import require_enough, require_variety
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.course import CLASS_COLLAPSE, COLLAPSE, DIVERGENCE
from synthmill.learning.data import count_records, open_columns
from synthmill.learning.devices import open_fabric
from synthmill.learning.finish import finish
from synthmill.learning.loop import Loop, Trouble
from synthmill.learning.saving import read_best
from synthmill.learning.session import Session
from synthmill.learning.state import RunState
from synthmill.learning.task import (
    DEFAULT_MACHINE,
    CheckCallback,
    Machine,
    ProgressCallback,
    SayCallback,
    TrainingResult,
    TrainingTask,
    ignore_progress,
    never_stop,
    say_nothing,
)
from synthmill.runtime.errors import Diverged, ResourceExhausted

log = logging.getLogger(__name__)

_IN_WORDS = {
    COLLAPSE: "the generator has collapsed",
    CLASS_COLLAPSE: "the generator has collapsed in a class",
    DIVERGENCE: "the run gets worse and worse",
}

_PRECISION = "precision"

# PyTorch has a class of its own for the memory of a device, and a RuntimeError for that of the machine.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "std::bad_alloc")


def train(
    task: TrainingTask,
    scratch: Path,
    *,
    machine: Machine = DEFAULT_MACHINE,
    progress: ProgressCallback = ignore_progress,
    check: CheckCallback = never_stop,
    say: SayCallback = say_nothing,
) -> TrainingResult:
    """Trains, exports, checks the export and describes the model; goes on from a checkpoint in `scratch`.

    Args:
        task: what to train.
        scratch: folder of this run alone; a later call with the same task and folder resumes.
        machine: devices, precision and intervals.
        progress: called with every report, from this thread.
        check: called between steps; raises `Cancelled` to stop the run, which leaves a checkpoint behind.
        say: told what is worth reading, a sentence at a time.

    Raises:
        InvalidField: the task is not possible.
        FailedPrecondition: the family cannot learn data of this schema, or there are too few records.
        BadData: the arrays do not fit the task, or there is nothing to learn from them.
        Diverged: a loss, gradient or parameter is not finite, and starting again did not help.
        ResourceExhausted: batches of half the size need more memory than there is, too.
        Internal: the exported graph does not do what the network does.
    """
    kind = get_kind(task.kind)
    given = hyper_parameters(task.kind, task.family, task.parameters)
    columns = open_columns(task.columns, kind.columns(task.schema), len(task.labels))
    parameters = given.resolve(task.schema, count_records(columns))
    require_enough(columns, task.labels, parameters.min_class_records)
    require_variety(columns)
    task = dataclasses.replace(task, parameters=dataclasses.asdict(parameters))
    folder = scratch / f"run-{_digest(task)}"
    with torch.random.fork_rng():
        fabric = open_fabric(_as_before(machine, folder))
        if not fabric.is_global_zero:
            progress, check, say = ignore_progress, never_stop, say_nothing
        else:
            _keep_precision(fabric, folder)
        session = Session(task, kind, parameters, columns, fabric, folder, machine, progress, check, say)
        run = _train_to_end(session)
        return fabric.broadcast(_export(session, run) if fabric.is_global_zero else None)


def _export(session: Session, run: RunState) -> TrainingResult:
    """Makes the files of the model out of the best checkpoint, or the last where there is none."""
    session.exporting(run)
    best = read_best(session.folder, run.best)
    if best:
        run.restore_weights(best)
    session.settle(run)
    return finish(session.task, run, session.columns, session.folder / "model", film=session.film(run))


def _train_to_end(session: Session) -> RunState:
    run = session.start()
    while True:
        try:
            Loop(run, session.parts(run)).run()
            return run
        except (Diverged, Trouble, MemoryError, RuntimeError) as error:
            if not (isinstance(error, (Diverged, Trouble)) or is_out_of_memory(error)):
                raise
            # Without its frames, which hold on to the memory of the step that failed.
            failure = error.with_traceback(None)
            failure.__context__ = None
        run = _recover(session, run, failure)


def _recover(session: Session, run: RunState, failure: Exception) -> RunState:
    """Returns the run to go on with.

    Raises:
        Diverged: it is no use.
        ResourceExhausted: nor is it this.
    """
    if isinstance(failure, Diverged):
        fresh = session.go_back(run, failure.message)
        if fresh is None:
            raise failure
        return fresh
    if isinstance(failure, Trouble):
        fresh = session.go_back(run, _IN_WORDS[failure.name])
        return fresh or session.go_on(run, "" if failure.name == CLASS_COLLAPSE else failure.name)
    fresh = session.shrink(run)
    if fresh is None:
        raise ResourceExhausted(
            f"step {run.step + 1}: a batch of {run.family.parameters.batch_size} records needs more memory than there "
            "is; a smaller batch_size, latent_size or width needs less",
            field="batch_size",
            value=run.family.parameters.batch_size,
        ) from failure
    return fresh


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether an error means that there is no more memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _as_before(machine: Machine, folder: Path) -> Machine:
    """Returns the machine with the precision that an earlier attempt found fastest, as another learns other weights."""
    path = folder / _PRECISION
    if machine.precision != "auto" or not path.exists():
        return machine
    return dataclasses.replace(machine, precision=path.read_text())


def _keep_precision(fabric: Fabric, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bfloat16 = fabric.strategy.precision.precision == "bf16-mixed"
    write_atomically(folder / _PRECISION, b"bfloat16" if bfloat16 else b"float32")


def _digest(task: TrainingTask) -> str:
    """Names everything that decides what is learned; where the arrays lie does not."""
    described = dataclasses.asdict(dataclasses.replace(task, columns={}, held_out={}))
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
