"""Checkpoints: tensors as safetensors, everything else as JSON, and never a half-written one.

A checkpoint is two files, `step-{n}.safetensors` and `step-{n}.json`. The JSON file holds the digest of both and is
written last, so that it is what makes a checkpoint exist. A run that goes back to an earlier step begins a new round,
whose checkpoints count as newer than all before: n is the round times 10^9, and the step.
"""

from __future__ import annotations

import dataclasses
import errno
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
_ROUND = 10**9


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a run after some steps.

    Attributes:
        step: steps done.
        tensors: tensors by name.
        state: the rest, as JSON.
        round: how often the run has gone back to an earlier step.
    """

    step: int
    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]
    round: int = 0

    @property
    def number(self) -> int:
        """Grows with every checkpoint of a run."""
        return self.round * _ROUND + self.step


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, then removes all but the last two.

    Raises:
        OSError: it cannot be written, for example as the disk is full; earlier checkpoints are still there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()})
    described = {"step": checkpoint.step, "round": checkpoint.round, "state": checkpoint.state}
    described["sha256"] = _digest(data, described)
    tensors, state = _paths(folder, checkpoint.number)
    try:
        write_atomically(tensors, data)
        write_atomically(state, json.dumps(described).encode())
    except OSError:
        # Half a checkpoint would take room that the next one needs.
        if not state.exists():
            tensors.unlink(missing_ok=True)
        raise
    keep_newest(folder, _KEPT)


def keep_newest(folder: Path, count: int) -> None:
    """Removes all checkpoints but the newest."""
    for number in _numbers(folder)[:-count]:
        # The JSON file first: without it the other is no checkpoint.
        for path in reversed(_paths(folder, number)):
            path.unlink(missing_ok=True)


def read_checkpoint(folder: Path, number: int | None = None) -> Checkpoint | None:
    """Returns the newest checkpoint that is whole, None if there is none; damaged ones are logged and passed over.

    Args:
        folder: of the checkpoints.
        number: of the only one that is wanted; None for the newest.
    """
    for found in reversed(_numbers(folder)) if number is None else [number]:
        try:
            return _read(folder, found)
        except (OSError, ValueError, KeyError) as error:
            log.warning("checkpoint %d is missing or damaged: %s", found, error)
    return None


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file such that its name never shows a part of it, not even after a power cut.

    Raises:
        OSError: it cannot be written; no part of it is left.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_disk_full(error: OSError) -> bool:
    """Tells whether a file could not be written for want of room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _read(folder: Path, number: int) -> Checkpoint:
    tensors, state = _paths(folder, number)
    described = json.loads(state.read_bytes())
    data = tensors.read_bytes()
    if described.pop("sha256") != _digest(data, described):
        raise ValueError("the digest differs")
    return Checkpoint(described["step"], load(data), described["state"], described["round"])


def _digest(data: bytes, described: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode() + data).hexdigest()


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.json"))


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"step-{number:09d}.safetensors", folder / f"step-{number:09d}.json"
