"""Measures in passing what a run's averaged generator is worth: cheap, and a pure function of step and weights."""

from __future__ import annotations

import copy
import time

import numpy as np
import torch
from torch import nn

from synthmill.kinds.base import Columns, Learning
from synthmill.learning.course import FIDELITY, TSTR, Validation
from synthmill.learning.data import count_records, load
from synthmill.learning.draws import Stream, derive_seed, derive_sequence
from synthmill.learning.ema import recompute_batch_statistics
from synthmill.learning.graph.noise import standard_normal
from synthmill.learning.likeness import Closeness, Diversity
from synthmill.learning.measures import fidelity
from synthmill.learning.probing import Probing, probe_accuracy
from synthmill.learning.samples import draw_samples
from synthmill.learning.task import LABEL, CheckCallback, TrainingTask

_SAMPLES = 2048
_TEST_RECORDS = 2048
_PROBE_STEPS = 200
_BATCH = 256
_STATISTICS_BATCHES = 8
# Samples and records whose distances are looked at, and numbers in the training records that they are compared with.
_COMPARED = 512
_MOST_COMPARED_NUMBERS = 10_000_000


class Validator:
    """Draws samples from a generator and compares them with real records.

    Args:
        task: the run's.
        learning: the kind's learning side.
        train: the records that are learned from.
        held_out: real records that are not; None compares with those that are.
        latent_size: dimensions of the latent vector.
        device: where to compute.
    """

    def __init__(
        self,
        task: TrainingTask,
        learning: Learning,
        train: Columns,
        held_out: Columns | None,
        latent_size: int,
        device: torch.device,
    ) -> None:
        self._task, self._learning, self._latent_size, self._device = task, learning, latent_size, device
        self._classes = len(task.labels)
        self._test = self._pick(train if held_out is None else held_out, _TEST_RECORDS, 0)
        self._real = self._flatten(self._test)
        few = self._real[:_COMPARED]
        self._diversity = Diversity(few, self._labels_of(self._test), task.labels)
        most = max(_COMPARED, _MOST_COMPARED_NUMBERS // few.shape[1])
        neighbours = self._flatten(self._pick(train, most, 1))
        self._closeness = Closeness(neighbours, None if held_out is None else few, _COMPARED)

    def validate(self, averaged: nn.Module, step: int, progress: float, check: CheckCallback) -> Validation:
        """Measures a generator, which is left as it is.

        Args:
            averaged: with averaged weights.
            step: steps done.
            progress: share of the run that is done.
            check: called between parts; raises to stop.
        """
        began = time.monotonic()
        samples = self._draw(averaged, check)
        x = self._flatten(samples)
        utility, error = self._utility(samples, x, check)
        few = x[:_COMPARED]
        least_diverse, class_diversity = self._diversity.least(few, self._labels_of(samples))
        ratio, copied = self._closeness.of(few)
        return Validation(
            step=step,
            progress=progress,
            utility=utility,
            standard_error=error,
            diversity=self._diversity.of(few),
            class_diversity=class_diversity,
            least_diverse=least_diverse,
            nearest_ratio=ratio,
            copied_share=copied,
            seconds=time.monotonic() - began,
        )

    def _draw(self, averaged: nn.Module, check: CheckCallback) -> Columns:
        # Batch statistics of its own, as the exported one will have them.
        generator = copy.deepcopy(averaged)
        recompute_batch_statistics(generator, map(self._noise, range(_STATISTICS_BATCHES)))
        seed = derive_seed(self._task.seed, Stream.VALIDATION)
        batches = []
        for start in range(0, _SAMPLES, _BATCH):
            check()
            index = np.arange(start, start + _BATCH)
            label = index % self._classes if self._classes else None
            drawn = draw_samples(generator, self._learning, self._latent_size, seed, index, label)
            batches.append(drawn if label is None else {**drawn, LABEL: label})
        return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}

    def _noise(self, number: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        index = np.arange(number * _BATCH, (number + 1) * _BATCH)
        label = torch.from_numpy(index % self._classes).to(self._device) if self._classes else None
        z = standard_normal(derive_seed(self._task.seed, Stream.STATISTICS), index, self._latent_size)
        return torch.from_numpy(z).to(self._device), label

    def _utility(self, samples: Columns, x: torch.Tensor, check: CheckCallback) -> tuple[float, float]:
        if not self._classes:
            return fidelity(x, self._real)
        plan = Probing(self._learning, self._task.schema, self._classes, _PROBE_STEPS, self._device)
        accuracy = probe_accuracy(plan, samples, self._test, self._task.seed, check)
        return accuracy, (accuracy * (1 - accuracy) / count_records(self._test)) ** 0.5

    def _labels_of(self, columns: Columns) -> torch.Tensor | None:
        label = columns.get(LABEL)
        return None if label is None else torch.from_numpy(label[:_COMPARED]).to(self._device)

    def _pick(self, columns: Columns, most: int, number: int) -> Columns:
        """Copies some records, drawn at random."""
        generator = np.random.default_rng(derive_sequence(self._task.seed, Stream.VALIDATION, number))
        return load(columns, generator.permutation(count_records(columns))[:most])

    def _flatten(self, columns: Columns) -> torch.Tensor:
        """Makes the networks' inputs of records, as vectors (N, D)."""
        batch = {name: torch.from_numpy(array).to(self._device) for name, array in columns.items() if name != LABEL}
        return self._learning.to_input(batch).flatten(1)


def figure_of(task: TrainingTask) -> str:
    """Returns what the utility of a run's samples is: TSTR or FIDELITY."""
    return TSTR if task.labels else FIDELITY
