"""Checkpoints: tensors as safetensors, everything else as JSON, and never a half-written one.

A checkpoint is two files, `step-{n}.safetensors` and `step-{n}.json`. The JSON file holds the digest of both and is
written last, so that it is what makes a checkpoint exist.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

log = logging.getLogger(__name__)

_KEPT = 2


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a run after some steps.

    Attributes:
        step: steps done.
        tensors: tensors by name.
        state: the rest, as JSON.
    """

    step: int
    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, then removes all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()})
    described = {"step": checkpoint.step, "state": checkpoint.state}
    described["sha256"] = _digest(data, described)
    tensors, state = _paths(folder, checkpoint.step)
    write_atomically(tensors, data)
    write_atomically(state, json.dumps(described).encode())
    for step in _steps(folder)[:-_KEPT]:
        # The JSON file first: without it the other is no checkpoint.
        for path in reversed(_paths(folder, step)):
            path.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Returns the newest checkpoint that is whole, None if there is none; damaged ones are logged and passed over."""
    for step in reversed(_steps(folder)):
        try:
            return _read(folder, step)
        except (OSError, ValueError, KeyError) as error:
            log.warning("the checkpoint of step %d is damaged, going back to the one before: %s", step, error)
    return None


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file such that its name never shows a part of it, not even after a power cut."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(folder: Path, step: int) -> Checkpoint:
    tensors, state = _paths(folder, step)
    described = json.loads(state.read_bytes())
    data = tensors.read_bytes()
    if described.pop("sha256") != _digest(data, described):
        raise ValueError("the digest differs")
    return Checkpoint(described["step"], load(data), described["state"])


def _digest(data: bytes, described: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode() + data).hexdigest()


def _steps(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.json"))


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    return folder / f"step-{step:09d}.safetensors", folder / f"step-{step:09d}.json"
