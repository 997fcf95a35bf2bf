"""Runs one sampler graph: samples by index, in fixed batch sizes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from synthmill.runtime.errors import Cancelled
from synthmill.runtime.filters import Filter
from synthmill.sampling import metrics
from synthmill.sampling.batches import (
    BatchPlanner,
    Columns,
    measure_buckets,
    reference_bucket,
    usable_buckets,
)
from synthmill.sampling.candidates import CandidateCounts
from synthmill.sampling.providers import TRAITS, ProviderChoice
from synthmill.sampling.runners import Runner
from synthmill.sampling.signature import INDEX, LABEL, SEED, TRUNCATION, Signature
from synthmill.sampling.slots import Shape, Slot, SlotPool
from synthmill.sampling.timing import Batch

# Slots of the bulk size that a few workers hold at a time.
_BATCHES_IN_MEMORY = 16


@dataclasses.dataclass
class Draw:
    """Which samples to compute.

    Attributes:
        seed: in [0, 2^64).
        index: int64 (N,), each in [0, 2^48), N at least 1.
        label: int64 (N,), each in [0, classes); None if the graph takes none.
        truncation: scale of the latent vectors; None leaves it to the graph.
        filter: which of several candidates each sample is; None for the first, whatever it is like.
    """

    seed: int
    index: np.ndarray
    label: np.ndarray | None = None
    truncation: float | None = None
    filter: Filter | None = None


class Drawn:
    """Samples as they lie in the memory of their batches, until that is given back.

    Args:
        slots: the batches, in order.
        count: samples in them, fewer than they have room for.

    Attributes:
        slots: as given.
    """

    def __init__(self, slots: Sequence[Slot], count: int) -> None:
        self.slots = slots
        self._count = count
        self._added: dict[str, np.ndarray] = {}

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [*self.slots[0].outputs, *self._added]

    def add(self, column: str, values: np.ndarray) -> None:
        """Adds a column that lies in memory of its own, (N, ...)."""
        self._added[column] = values

    def put(self, column: str, places: np.ndarray, values: np.ndarray) -> None:
        """Overwrites some samples of a column; places is int64, ascending, each in [0, N)."""
        first = 0
        for slot in self.slots:
            begin, end = np.searchsorted(places, (first, first + slot.shape.size))
            slot.outputs[column][places[begin:end] - first] = values[begin:end]
            first += slot.shape.size

    def pieces(self, column: str, start: int = 0, stop: int | None = None) -> list[np.ndarray]:
        """Returns the samples [start, stop) of a column as views, one per batch that has some."""
        stop = self._count if stop is None else stop
        found, first = [], 0
        for slot in self.slots:
            end = first + slot.shape.size
            if start < end and first < stop:
                array = self._added[column][first:end] if column in self._added else slot.outputs[column]
                found.append(array[max(start - first, 0) : min(stop, end) - first])
            first = end
        return found

    def batches(self, start: int, stop: int) -> list[Batch]:
        """Returns the batches that the samples [start, stop) were computed in."""
        found, first = [], 0
        for slot in self.slots:
            end = first + slot.shape.size
            if start < end and first < stop:
                found.append(Batch(slot.shape.size, slot.seconds, begins=start <= first))
            first = end
        return found


class Engine:
    """A sampler graph ready to run; safe to use from several threads.

    Args:
        model: name of the model version.
        runner: runs its graph.
        provider: what it runs on and why.
        signature: what the graph takes and makes.
        graph_bytes: size of the graph.

    Attributes:
        model: as given.
        provider: as given.
        signature: as given.
        memory_bytes: estimate of the memory that it takes: the weights, packed once more for the kernels, and batches.
        planner: batch sizes in use: those whose samples agree to the bit, by what they cost.
        candidates: what filtered samples take of late.
        inline: samples up to which the event loop computes urgent requests itself; 0 if it never does.
    """

    def __init__(
        self,
        model: str,
        runner: Runner,
        provider: ProviderChoice,
        signature: Signature,
        graph_bytes: int,
    ) -> None:
        self.model = model
        self.provider = provider
        self.signature = signature
        self._samples = metrics.SAMPLES.labels(model)
        self._slots = SlotPool(functools.partial(runner.make_slot, signature))
        traits, limits = TRAITS[provider.name], TRAITS[provider.name].limits
        sizes = usable_buckets(limits, signature.sample_bytes, signature.smallest_batch)
        runner.prepare(signature, sizes)
        reference = reference_bucket(sizes, limits.exact_kernels)
        seconds = measure_buckets(self._probe, sizes, reference, model, limits.probe_batches)
        self._slots.keep_only(seconds)
        for size, shared in itertools.product(seconds, (True, False)):
            self._slots.fill(Shape(size, shared), traits.in_flight)
        runner.seal()
        self.planner = BatchPlanner(seconds)
        self.candidates = CandidateCounts()
        self.inline = self.planner.inline if traits.inline else 0
        self.memory_bytes = 2 * graph_bytes + _BATCHES_IN_MEMORY * self.planner.bulk * signature.sample_bytes

    def compute(
        self, draws: Sequence[Draw], between: Callable[[], None] = lambda: None, stopped: Callable[[], bool] = bool
    ) -> Drawn:
        """Computes samples, those of several draws together.

        Args:
            draws: what to compute; either all of them have a truncation or none.
            between: called between one batch and the next.
            stopped: asked before each batch whether to give up.

        Returns:
            The samples of all draws in their order; the caller gives them back with `release`.

        Raises:
            Cancelled: `stopped` said so.
        """
        inputs = _join(draws)
        count = len(inputs[INDEX])
        shared, truncated = len(inputs[SEED]) == 1, TRUNCATION in inputs
        slots: list[Slot] = []
        start = 0
        try:
            for size in self.planner.plan(count):
                if slots:
                    between()
                if stopped():
                    raise Cancelled("sampling was stopped")
                slots.append(self._slots.take(Shape(size, shared, truncated)))
                self._run(slots[-1], inputs, start)
                start += size
        except BaseException:
            self.release(Drawn(slots, 0))
            raise
        self._samples.inc(count)
        return Drawn(slots, count)

    def release(self, drawn: Drawn) -> None:
        """Takes back the memory of samples."""
        for slot in drawn.slots:
            self._slots.give_back(slot)

    def sample(self, draw: Draw) -> Columns:
        """Computes samples into arrays of their own, by column name."""
        drawn = self.compute([draw])
        try:
            return {name: np.concatenate(drawn.pieces(name)) for name in self.signature.outputs}
        finally:
            self.release(drawn)

    def _run(self, slot: Slot, inputs: dict[str, np.ndarray], start: int) -> None:
        size = slot.shape.size
        for name, array in slot.inputs.items():
            given = inputs[name]
            if len(given) > 1:
                given = given[start : start + size]
            array[: len(given)] = given
            # What is left over computes the last sample again.
            array[len(given) :] = given[-1]
        began = time.perf_counter()
        slot.run()
        slot.seconds = elapsed_s = time.perf_counter() - began
        self.planner.note(size, elapsed_s)
        metrics.batch_seconds(size).observe(elapsed_s)

    def _probe(self, index: np.ndarray) -> Columns:
        slot = self._slots.take(Shape(len(index)))
        slot.inputs[INDEX][:] = index
        if LABEL in slot.inputs:
            slot.inputs[LABEL][:] = index % self.signature.classes
        slot.inputs[SEED][:] = 0
        slot.run()
        columns = {name: column.copy() for name, column in slot.outputs.items()}
        self._slots.give_back(slot)
        return columns


def _join(draws: Sequence[Draw]) -> dict[str, np.ndarray]:
    """Returns the inputs of several draws, one seed and one truncation for all if they agree."""
    first = draws[0]
    inputs = {INDEX: _concatenate([draw.index for draw in draws])}
    if first.label is not None:
        inputs[LABEL] = _concatenate([draw.label for draw in draws])
    sizes = [len(draw.index) for draw in draws]
    alike = all(draw.seed == first.seed and draw.truncation == first.truncation for draw in draws)
    times = [1] if alike else sizes
    inputs[SEED] = np.repeat(np.array([draw.seed for draw in draws[: len(times)]], np.uint64), times)
    if first.truncation is not None:
        scales = np.array([draw.truncation for draw in draws[: len(times)]], np.float32)
        inputs[TRUNCATION] = np.repeat(scales, times)
    return inputs


def _concatenate(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
