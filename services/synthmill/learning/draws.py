"""Random numbers of training, drawn as a pure function of seed and step: nothing about them needs to be stored."""

from __future__ import annotations

import enum

import numpy as np
import torch


class Stream(enum.IntEnum):
    """What a run draws random numbers for; each has its own."""

    WEIGHTS = 0
    ORDER = 1
    STEPS = 2
    STATISTICS = 3
    DISTILLING = 4
    CALIBRATION = 5
    JUDGING = 6
    PROBE = 7
    VALIDATION = 8
    SETTLING = 9
    BASELINES = 10
    OPINION = 11
    HOLDING_OUT = 12


class Draws:
    """The random numbers of one step.

    Every process draws the numbers of the whole batch and keeps its own rows, so that a run means the same on any
    number of devices.

    Args:
        seed: of the run, in [0, 2^64).
        step: of the run, from 0.
        rows: rows of the batch that this process keeps.
        batch_size: rows of the whole batch.
        device: where the numbers are used.
    """

    def __init__(self, seed: int, step: int, rows: slice, batch_size: int, device: torch.device) -> None:
        self._generator = torch.Generator().manual_seed(derive_seed(seed, Stream.STEPS, step))
        self._rows, self._batch_size, self._device = rows, batch_size, device

    def normal(self, size: int) -> torch.Tensor:
        """Returns standard normal numbers, float32 (rows, size)."""
        return self._keep(torch.randn(self._batch_size, size, generator=self._generator))

    def uniform(self, size: int) -> torch.Tensor:
        """Returns numbers in [0, 1), float32 (rows, size)."""
        return self._keep(torch.rand(self._batch_size, size, generator=self._generator))

    def _keep(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers[self._rows].to(self._device)


def derive_sequence(seed: int, stream: Stream, *numbers: int) -> np.random.SeedSequence:
    """Returns the seeds of one part of a run: of a stream, and of what the numbers count in it."""
    return np.random.SeedSequence(seed, spawn_key=(stream, *numbers))


def derive_seed(seed: int, stream: Stream, *numbers: int) -> int:
    """Returns one seed of one part of a run, in [0, 2^63)."""
    return int(derive_sequence(seed, stream, *numbers).generate_state(1, np.uint64)[0] >> 1)
