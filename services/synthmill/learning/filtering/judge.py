"""Measures what samples under each filter are worth: probes learn from them and are tested on real records."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from synthmill.kinds.base import Columns
from synthmill.learning.checkpoint import write_atomically
from synthmill.learning.compress.feeds import make_feeds, open_session
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.filtering.choice import CONFIDENCES, Trial, choose_candidates
from synthmill.learning.graph.check import GraphInfo
from synthmill.learning.graph.compose import INDEX, SEED
from synthmill.learning.probing import Probing, probe_accuracy
from synthmill.learning.task import LABEL, CheckCallback
from synthmill.runtime.filters import CONFIDENCE, Filter, candidate_seed

_BATCH = 256

Report = Callable[[str, int, int], None]
"""Told of a phase, of what is done of it, and of all that there is to do."""


@dataclasses.dataclass(frozen=True)
class Judge:
    """Everything but the bound that a judgement depends on.

    Attributes:
        graph: sampler graph with confidences.
        info: of it.
        plan: how a probe learns from samples.
        test: real records that it is tested on.
        samples: number of samples to learn from.
        attempts: candidates for a sample.
        probes: number of probes for each bound.
        seed: of the samples and the probes.
        threads: for ONNX Runtime; 0 means one per core.
        folder: for samples and for what was measured, so that a second attempt need not measure it again.
    """

    graph: bytes
    info: GraphInfo
    plan: Probing
    test: Columns
    samples: int
    attempts: int
    probes: int
    seed: int
    threads: int
    folder: Path

    def first_samples(self, count: int, bound: float | None, report: Report, check: CheckCallback) -> Columns:
        """Returns the first samples under a bound, with their labels; at most a batch of them."""
        candidates, _ = choose_candidates(self._confidences(report, check), Filter(bound))
        return next(self._draw(candidates[:count], check))[1]

    def judge(self, report: Report, check: CheckCallback) -> list[Trial]:
        """Returns what each bound is worth, from the loosest on."""
        confidences = self._confidences(report, check)
        return [self._try(confidences, bound, report, check) for bound in CONFIDENCES]

    def _draw(self, candidates: np.ndarray, check: CheckCallback) -> Iterator[tuple[int, Columns]]:
        """Yields batches of samples with their labels, each with the position of its first.

        Args:
            candidates: which one each sample is, int64 (N,).
            check: called between batches; raises to stop.
        """
        session, names = open_session(self.graph, self.threads), list(self.info.columns)
        seeds = self._seeds()[candidates]
        for start in range(0, len(candidates), _BATCH):
            check()
            feeds = self._feeds(start, min(_BATCH, len(candidates) - start))
            feeds[SEED] = seeds[start : start + _BATCH]
            drawn = dict(zip(names, session.run(names, feeds), strict=True))
            yield start, {**drawn, LABEL: feeds[LABEL]}

    def _try(self, confidences: np.ndarray, bound: float | None, report: Report, check: CheckCallback) -> Trial:
        candidates, passed = choose_candidates(confidences, Filter(bound))
        phase = "judging no filter" if bound is None else f"judging confidence {bound:g}"
        accuracies = self._accuracies(candidates, phase, report, check)
        return Trial(bound, accuracies, float((passed & (candidates == 0)).mean()), float(passed.mean()))

    def _accuracies(self, candidates: np.ndarray, phase: str, report: Report, check: CheckCallback) -> list[float]:
        """Returns the accuracy of each probe; those that an earlier attempt has measured are not measured again.

        Bounds under which the samples are the same share what was measured.
        """
        path = self.folder / f"accuracies-{hashlib.sha256(candidates.tobytes()).hexdigest()[:16]}.json"
        known: list[float] = json.loads(path.read_bytes()) if path.exists() else []
        if len(known) < self.probes:
            train = self._collect(candidates, check)
            for number in range(len(known), self.probes):
                report(phase, number, self.probes)
                seed = derive_seed(self.seed, Stream.PROBE, number)
                known.append(probe_accuracy(self.plan, train, self.test, seed, check))
                write_atomically(path, json.dumps(known).encode())
        report(phase, self.probes, self.probes)
        return known

    def _collect(self, candidates: np.ndarray, check: CheckCallback) -> Columns:
        """Draws samples into files and returns them with their labels."""
        columns: Columns = {
            name: open_memmap(self.folder / f"samples.{name}.npy", "w+", dtype, (len(candidates), *shape))
            for name, (dtype, shape) in self.info.columns.items()
        }
        columns[LABEL] = np.empty(len(candidates), np.int64)
        for start, batch in self._draw(candidates, check):
            for name, column in columns.items():
                column[start : start + len(batch[name])] = batch[name]
        return columns

    def _confidences(self, report: Report, check: CheckCallback) -> np.ndarray:
        """Returns the confidences of the candidates, float32 (attempts, samples), as far as any bound asks for them.

        Of a sample with a candidate that passes the tightest bound, no later candidate is looked at: it has -1.
        """
        path = self.folder / "confidences.npy"
        if path.exists():
            return np.load(path)
        session, feeds, seeds = open_session(self.graph, self.threads), self._feeds(0, self.samples), self._seeds()
        found = np.full((self.attempts, self.samples), -1, np.float32)
        tightest = Filter(CONFIDENCES[-1])
        left = feeds[INDEX]
        for attempt in range(self.attempts):
            for start in range(0, len(left), _BATCH):
                check()
                report("drawing candidates", attempt * self.samples + start, self.attempts * self.samples)
                rows = left[start : start + _BATCH]
                given = {SEED: seeds[attempt : attempt + 1], INDEX: rows, LABEL: feeds[LABEL][rows]}
                [found[attempt, rows]] = session.run([CONFIDENCE], given)
            left = left[~tightest.passes({CONFIDENCE: found[attempt, left]})]
        stored = io.BytesIO()
        np.save(stored, found)
        write_atomically(path, stored.getvalue())
        return found

    def _seeds(self) -> np.ndarray:
        """Returns the seed of each candidate, uint64 (attempts,)."""
        seed = derive_seed(self.seed, Stream.JUDGING)
        return np.array([candidate_seed(seed, attempt) for attempt in range(self.attempts)], np.uint64)

    def _feeds(self, start: int, count: int) -> Columns:
        return make_feeds(len(self.info.metadata.labels), 0, start, count)
