"""Whether a classifier can tell samples from real records."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from synthmill.kinds.base import Columns
from synthmill.learning.data import count_records, load
from synthmill.learning.draws import Stream, derive_seed
from synthmill.learning.evaluate.comparison import Comparison, Draw, deal, labels_of
from synthmill.learning.evaluate.findings import Interval
from synthmill.learning.evaluate.inputs import network_inputs
from synthmill.learning.evaluate.intervals import over_repetitions
from synthmill.learning.evaluate.ranking import area_under_curve
from synthmill.learning.probing import BATCH_SIZE, Probing, train_probe
from synthmill.learning.task import LABEL, CheckCallback

FOLDS = 5
"""Classifiers, each tested on the part of the records that the others alone learn from."""

# Steps in which each record comes this often find what there is to find in little data; more of them cost time alone.
_MOST_STEPS, _VISITS = 400, 20


def two_sample_auc(comparison: Comparison, real: Columns, samples: Columns, check: CheckCallback) -> Interval:
    """Returns how well a classifier of the kind tells samples from real records that it has not learned from: the mean
    AUC over folds; 0.5 if it cannot (Lopez-Paz and Oquab, arXiv 1610.06545, with the AUC for the accuracy).

    It sees the records themselves, not features: those of a network that learned to tell classes apart leave out what
    does not matter to these, and know the training records better than others.

    Args:
        comparison: kind, schema, seed and device.
        real: real records.
        samples: as many samples.
        check: called between steps; raises to stop.
    """
    generator = comparison.generator(Draw.FOLDS)
    folds = [deal(labels_of(comparison, side), FOLDS, generator) for side in (real, samples)]
    found = []
    for number, tested in enumerate(zip(*folds, strict=True)):
        learned = [np.concatenate(parts[:number] + parts[number + 1 :]) for parts in folds]
        train = _join(comparison, load(real, learned[0]), load(samples, learned[1]))
        probe = _learn(comparison, train, derive_seed(comparison.seed, Stream.JUDGING, number), check)
        theirs, ours = (
            _scores(comparison, probe, load(side, rows), check)
            for side, rows in zip((real, samples), tested, strict=True)
        )
        found.append(area_under_curve(ours, theirs))
    return over_repetitions(found)


def _learn(comparison: Comparison, train: Columns, seed: int, check: CheckCallback) -> nn.Module:
    steps = min(_MOST_STEPS, math.ceil(_VISITS * count_records(train) / BATCH_SIZE))
    return train_probe(
        Probing(comparison.kind.learning(), comparison.schema, 2, steps, comparison.device), train, seed, check
    )


def _join(comparison: Comparison, real: Columns, samples: Columns) -> Columns:
    """Puts real records, as class 0, and samples, as class 1, one after the other."""
    joined = {name: np.concatenate([real[name], samples[name]]) for name in comparison.kind.columns(comparison.schema)}
    return {**joined, LABEL: np.repeat([0, 1], [count_records(real), count_records(samples)])}


@torch.no_grad()
def _scores(comparison: Comparison, probe: nn.Module, columns: Columns, check: CheckCallback) -> np.ndarray:
    """Returns how sure the classifier is that records are samples, (N,)."""
    logits = torch.cat([probe(x) for x in network_inputs(comparison, columns, check)])
    return (logits[:, 1] - logits[:, 0]).cpu().numpy()
