"""Filtered samples: of those that have no candidate which passes, the next one is computed, until none is left.

Candidates take the places of those before them where these lie, in the memory of the first batches, so that a filtered
answer takes no more of it than another one, and the batches of one further round.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from synthmill.runtime.errors import FailedPrecondition
from synthmill.runtime.filters import ATTEMPT, OPINIONS, PASSED, Filter, candidate_seed
from synthmill.sampling import metrics
from synthmill.sampling.batches import Columns
from synthmill.sampling.engine import Draw, Drawn, Engine
from synthmill.sampling.signature import Signature


def bound_filter(asked: Filter, signature: Signature, model: str) -> Filter:
    """Returns the filter that is meant: one without bounds is the graph's own.

    Args:
        asked: the filter.
        signature: of the graph.
        model: name of its version.

    Raises:
        FailedPrecondition: the graph has no opinion that it goes by.
    """
    for field, opinions in (("filter", OPINIONS), *((f"filter.min_{name}", (name,)) for name in asked.bounds)):
        if not set(opinions) & set(signature.opinions):
            missing = " or ".join(opinions)
            raise FailedPrecondition(
                f"{field}: {model} has no {missing} of its samples to filter by; CreateFilteringJob, or `synthmill "
                "filter`, makes a version with opinions: a score only of one that has the weights of a critic",
                field=field,
                value=model,
                allowed=f"a version with {missing}",
            )
    return asked if asked.bounds else dataclasses.replace(signature.filter, attempts=asked.attempts)


def opinions_for(by: Filter, signature: Signature) -> tuple[str, ...]:
    """Returns the opinions that filtered samples come with: the graph's first, and those that the filter bounds."""
    return tuple(name for name in signature.opinions if name == signature.opinions[0] or name in by.bounds)


def compute_filtered(
    engine: Engine,
    draws: Sequence[Draw],
    between: Callable[[], None] = lambda: None,
    stopped: Callable[[], bool] = bool,
) -> Drawn:
    """Computes samples under the filters of their draws, as `Engine.compute` does without.

    Args:
        engine: makes the opinions that the filters go by.
        draws: what to compute, each with a filter; either all of them have a truncation or none.
        between: called between one batch and the next.
        stopped: asked before each batch whether to give up.

    Returns:
        The samples of all draws in their order, with "attempt" and "passed"; the caller gives them back with
        `Engine.release`.

    Raises:
        Cancelled: `stopped` said so.
    """
    drawn = engine.compute(draws, between, stopped)
    try:
        stops = list(itertools.accumulate(len(draw.index) for draw in draws))
        shares = [_Share(engine, draw, drawn, stop) for draw, stop in zip(draws, stops, strict=True)]
        for attempt in itertools.count(1):
            left = [share for share in shares if share.begin(attempt)]
            if not left:
                break
            between()
            _compute_round(engine, left, drawn, between, stopped)
    except BaseException:
        engine.release(drawn)
        raise
    for share in shares:
        share.account(engine)
    drawn.add(ATTEMPT, np.concatenate([share.attempt for share in shares]))
    drawn.add(PASSED, np.concatenate([share.passed for share in shares]))
    return drawn


def _compute_round(
    engine: Engine,
    shares: Sequence[_Share],
    drawn: Drawn,
    between: Callable[[], None],
    stopped: Callable[[], bool],
) -> None:
    """Computes one more candidate for each sample that is left, and keeps it where it is better."""
    again = engine.compute([share.candidates() for share in shares], between, stopped)
    try:
        start = 0
        for share in shares:
            stop = start + len(share.left)
            share.take(drawn, again, start, stop)
            start = stop
    finally:
        engine.release(again)


class _Share:
    """The samples of one draw among those computed together, and what became of them.

    Args:
        engine: computes them.
        draw: which they are.
        drawn: all samples, with their first candidates.
        stop: place of the one after its last.

    Attributes:
        draw: as given.
        attempt: which candidate each sample is, int32 (N,).
        passed: whether it passes, bool (N,).
        left: places in the draw of the samples that need another candidate, int64.
        computed: number of candidates, the first ones included.
    """

    def __init__(self, engine: Engine, draw: Draw, drawn: Drawn, stop: int) -> None:
        count = len(draw.index)
        self.draw = draw
        self._opinions = engine.signature.made_opinions
        self._first = stop - count
        self.attempt = np.zeros(count, np.int32)
        opinions = self._opinions_of(drawn, self._first, stop)
        self.passed = draw.filter.passes(opinions)
        self._rank = draw.filter.ranks(opinions) if draw.filter.bounds else np.zeros(count, np.float32)
        self.left = np.flatnonzero(~self.passed)
        self.computed = count
        self._attempt = 0

    def begin(self, attempt: int) -> bool:
        """Begins a round; tells whether any sample needs another candidate and may have one."""
        self._attempt = attempt
        self.left = np.flatnonzero(~self.passed) if attempt < self.draw.filter.attempts else self.left[:0]
        self.computed += len(self.left)
        return bool(len(self.left))

    def candidates(self) -> Draw:
        """Returns the draw of the candidates of this round."""
        seed = candidate_seed(self.draw.seed, self._attempt)
        label = None if self.draw.label is None else self.draw.label[self.left]
        return dataclasses.replace(self.draw, seed=seed, index=self.draw.index[self.left], label=label)

    def take(self, drawn: Drawn, again: Drawn, start: int, stop: int) -> None:
        """Puts the candidates of this round where they are better than those before.

        Args:
            drawn: all samples.
            again: candidates, those of this share at [start, stop).
        """
        opinions = self._opinions_of(again, start, stop)
        passed, rank = self.draw.filter.passes(opinions), self.draw.filter.ranks(opinions)
        better = passed | (rank > self._rank[self.left])
        places = self.left[better]
        self.attempt[places], self.passed[places], self._rank[places] = self._attempt, passed[better], rank[better]
        for name in drawn.names:
            drawn.put(name, self._first + places, np.concatenate(again.pieces(name, start, stop))[better])

    def account(self, engine: Engine) -> None:
        """Tells what the samples took, and what came of it."""
        engine.candidates.note(self.draw.filter, len(self.draw.index), self.computed)
        first, passed = int((self.passed & (self.attempt == 0)).sum()), int(self.passed.sum())
        counts = {"first": first, "later": passed - first, "none": len(self.passed) - passed}
        for outcome, count in counts.items():
            metrics.FILTERED.labels(engine.model, outcome).inc(count)

    def _opinions_of(self, drawn: Drawn, start: int, stop: int) -> Columns:
        return {name: np.concatenate(drawn.pieces(name, start, stop)) for name in self._opinions}
