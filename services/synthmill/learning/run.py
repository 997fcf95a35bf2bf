"""Trains one model, from arrays on disk to the files of a model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save

from synthmill.kinds.base import Columns, HyperParameters, Kind
from synthmill.kinds.registry import get_kind
from synthmill.learning import card
from synthmill.learning.checkpoint import read_checkpoint, write_atomically
from synthmill.learning.configuration import hyper_parameters
from synthmill.learning.data import make_order, open_columns
from synthmill.learning.devices import open_fabric
from synthmill.learning.draws import derive_seed
from synthmill.learning.ema import Ema, recompute_batch_statistics
from synthmill.learning.export import compare, export_sampler
from synthmill.learning.families import FAMILIES
from synthmill.learning.families.base import GENERATOR
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.graph.noise import standard_normal
from synthmill.learning.guard import require_finite
from synthmill.learning.history import History
from synthmill.learning.loop import Feed, run_loop
from synthmill.learning.reporting import Reporter
from synthmill.learning.samples import draw_grid
from synthmill.learning.state import RunState
from synthmill.learning.task import (
    CheckCallback,
    Machine,
    ProgressCallback,
    TrainingResult,
    TrainingTask,
    ignore_progress,
    never_stop,
)
from synthmill.runtime.errors import FailedPrecondition, InvalidField

_STATISTICS_BATCHES = 64


def train(
    task: TrainingTask,
    scratch: Path,
    *,
    machine: Machine = Machine(),  # noqa: B008
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
        FailedPrecondition: so is its schema; or the folder holds a checkpoint of another task.
        BadData: the arrays do not fit the task.
        Diverged: a loss, gradient or parameter is not finite.
        Internal: the exported graph does not do what the network does.
    """
    with torch.random.fork_rng():
        return Training(task, scratch, machine, progress, check).run()
