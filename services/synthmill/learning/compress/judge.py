"""Measures what a compressed sampler graph has lost against the original, with the same probes, seeds and counts."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from synthmill.kinds.base import Columns, Kind
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.compress.task import RealRecords
from synthmill.learning.data import open_columns
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.probing import Probing, probe_accuracy
from synthmill.learning.task import LABEL, CheckCallback
from synthmill.runtime.errors import BadData

TSTR = "tstr"
DIFFERENCE = "difference"
"""What a verdict is about: accuracy of a probe trained on samples alone, tested on real records; or pixels."""

_BATCH = 256
_COMPARED_SAMPLES = 2048

Report = Callable[[str, int, int], None]
"""Told of a phase, of what is done of it, and of all that there is to do."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was lost, in points: hundredths of accuracy, or of a column's range.

    Attributes:
        measure: "tstr" or "difference".
        before: accuracy with the original's samples, in points; 0 for a difference.
        after: the same of the compressed graph.
        loss: before - after; or the mean difference of samples with the same address.
        standard_error: of the loss, from the spread over the probes; 0 if it cannot be told from one.
        samples: number of samples of each graph.
        probes: number of probes for each graph; 0 for a difference.
    """

    measure: str
    before: float
    after: float
    loss: float
    standard_error: float
    samples: int
    probes: int


@dataclasses.dataclass(frozen=True)
class Judge:
    """Everything but the graphs that a judgement depends on.

    Attributes:
        kind: kind of the samples.
        info: of the original graph.
        real: records to test on.
        samples: number of samples to learn from.
        probes: number of probes.
        steps: batches that each learns from.
        seed: of the samples and the probes.
        threads: for ONNX Runtime; 0 means one per core.
        device: where probes are trained.
        folder: for samples and for what was measured, so that a second attempt need not measure it again.
    """

    kind: Kind
    info: GraphInfo
    real: RealRecords
    samples: int
    probes: int
    steps: int
    seed: int
    threads: int
    device: torch.device
    folder: Path

    def judge(self, before: bytes, after: bytes, report: Report, check: CheckCallback) -> Verdict:
        """Trains the same probes on samples of both graphs and tests them on the same real records.

        Raises:
            BadData: the real records do not fit the graphs.
        """
        first = self._accuracies(before, "judging the original", report, check)
        second = self._accuracies(after, "judging the result", report, check)
        losses = [100 * (one - other) for one, other in zip(first, second, strict=True)]
        error = statistics.stdev(losses) / len(losses) ** 0.5 if len(losses) > 1 else 0.0
        means = [100 * statistics.fmean(values) for values in (first, second)]
        return Verdict(TSTR, *means, means[0] - means[1], error, self.samples, self.probes)

    def _accuracies(self, graph: bytes, phase: str, report: Report, check: CheckCallback) -> list[float]:
        """Returns the accuracy of each probe; those that an earlier attempt has measured are not measured again."""
        path = self.folder / f"accuracies-{hashlib.sha256(graph).hexdigest()[:16]}.json"
        known: list[float] = json.loads(path.read_bytes()) if path.exists() else []
        if len(known) < self.probes:
            test = open_columns(self.real.columns, self.info.columns, len(self.info.metadata.labels))
            train = self._draw(graph, report, check)
            plan = Probing(
                self.kind.learning(),
                self.info.metadata.schema,
                len(self.info.metadata.labels),
                self.steps,
                self.device,
            )
            for number in range(len(known), self.probes):
                report(phase, number, self.probes)
                known.append(probe_accuracy(plan, train, test, derive_seed(self.seed, Stream.PROBE, number), check))
                write_atomically(path, json.dumps(known).encode())
        report(phase, self.probes, self.probes)
        return known

    def _draw(self, graph: bytes, report: Report, check: CheckCallback) -> Columns:
        """Draws the samples into files and returns them with their labels."""
        columns = {
            name: open_memmap(self.folder / f"samples.{name}.npy", "w+", dtype, (self.samples, *shape))
            for name, (dtype, shape) in self.info.columns.items()
        }
        session, labels = open_session(graph, self.threads), len(self.info.metadata.labels)
        seed = derive_seed(self.seed, Stream.JUDGING)
        for start in range(0, self.samples, _BATCH):
            check()
            count = min(_BATCH, self.samples - start)
            drawn = session.run(list(columns), make_feeds(labels, seed, start, count))
            for column, values in zip(columns.values(), drawn, strict=True):
                column[start : start + count] = values
            report("drawing samples", start + count, self.samples)
        return {**columns, LABEL: np.arange(self.samples, dtype=np.int64) % labels}


def compare_samples(before: bytes, after: bytes, info: GraphInfo, seed: int, threads: int) -> Verdict:
    """Returns how far samples with the same address are apart, as a share of the range of their column.

    The range is that of the type for 8-bit integers, and that of the original's samples for all else.

    Args:
        before: the original graph.
        after: the compressed one.
        info: of the original.
        seed: of the samples.
        threads: for ONNX Runtime; 0 means one per core.
    """
    sessions = [open_session(graph, threads) for graph in (before, after)]
    labels, names = len(info.metadata.labels), list(info.columns)
    seed = derive_seed(seed, Stream.JUDGING)
    drawn = []
    for session in sessions:
        batches = [
            session.run(names, make_feeds(labels, seed, start, _BATCH)) for start in range(0, _COMPARED_SAMPLES, _BATCH)
        ]
        drawn.append([np.concatenate(columns) for columns in zip(*batches, strict=True)])
    losses = [_difference(*pair) for pair in zip(*drawn, strict=True)]
    return Verdict(DIFFERENCE, 0.0, 0.0, max(losses), 0.0, _COMPARED_SAMPLES, 0)


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the mean difference of two columns in hundredths of their range."""
    of_bytes = first.dtype in (np.uint8, np.int8)
    span = 255.0 if of_bytes else float(first.max()) - float(first.min())
    apart = float(np.abs(first.astype(np.float64) - second.astype(np.float64)).mean())
    if not np.isfinite(apart):
        raise BadData("samples of the compressed graph are not finite")
    return 100 * apart / span if span else 100 * apart
