"""Whether samples tell who was among the training records: a membership inference attack."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from synthmill.kinds.base import Columns
from synthmill.learning.data import load
from synthmill.learning.evaluate.comparison import Comparison, Draw, draw_like, labels_of
from synthmill.learning.evaluate.findings import Better, Figure, Group
from synthmill.learning.evaluate.inputs import all_vectors, vectors
from synthmill.learning.evaluate.intervals import by_resampling
from synthmill.learning.evaluate.neighbours import find_nearest
from synthmill.learning.evaluate.ranking import area_under_curve, true_positive_rate
from synthmill.learning.task import CheckCallback

# At a false-positive rate, with the fewest non-members that it can be measured with.
_RATES = {"membership_tpr_1": (0.01, 100), "membership_tpr_01": (0.001, 1000)}
# Nothing is told by how much nearer than this something is: a copy is a copy.
_CLOSEST = 1e-6

_ATTACK = (
    "an attacker who calls a record the more likely one of the training records, the nearer the nearest of all samples "
    "is to it compared with the nearest of other real records"
)


def measure_membership(
    comparison: Comparison,
    train: Columns,
    strangers: Columns,
    reference: Columns,
    samples: Columns,
    check: CheckCallback,
) -> list[Figure]:
    """Attacks samples, as calibrated by real records that are known to the attacker.

    A score is a ratio of distances, that is of densities: where all records are near to samples, nearness gives
    nothing away (van Breugel et al., DOMIAS, arXiv 2302.12580). Real records in the samples' place show what the score
    makes of how the splits differ.

    Args:
        comparison: kind, schema, labels, seed and device.
        train: real records that the generator has learned from; as many as there are strangers are drawn.
        strangers: real held-out records, with the classes of which members are drawn.
        reference: other real held-out records.
        samples: all there are.
        check: called between blocks; raises to stop.
    """
    generator = comparison.generator(Draw.MEMBERS)
    drawn = draw_like(labels_of(comparison, train), labels_of(comparison, strangers), generator)
    x = torch.cat([all_vectors(comparison, each, check) for each in (load(train, drawn), strangers)])
    known = all_vectors(comparison, reference, check)
    scores = _score(x, vectors(comparison, samples, check), known)
    chance = _score(x, [known[::2]], known[1::2])

    def attack(members: np.ndarray, outsiders: np.ndarray) -> dict[str, float]:
        rates = {name: rate for name, (rate, least) in _RATES.items() if len(outsiders) >= least}
        found = {name: true_positive_rate(members, outsiders, rate) for name, rate in rates.items()}
        return {"membership_auc": area_under_curve(members, outsiders), **found}

    measured, real = (by_resampling(attack, np.split(each, [len(drawn)]), generator) for each in (scores, chance))
    about = {
        "membership_auc": (
            "Membership AUC",
            f"How well training records are told from others by {_ATTACK}: 0.5 if not at all, 1 if always.",
        ),
        "membership_tpr_1": ("Members found at 1 % false alarms", _meaning("1 %")),
        "membership_tpr_01": ("Members found at 0.1 % false alarms", _meaning("0.1 %")),
    }
    return [
        Figure(name, Group.MEMORISATION, *about[name], Better.LOW, found, real[name])
        for name, found in measured.items()
    ]


def _meaning(rate: str) -> str:
    return f"Share of training records found by {_ATTACK}, being wrong about {rate} of other records: {rate} by chance."


def _score(x: torch.Tensor, samples: Iterable[torch.Tensor], reference: torch.Tensor) -> np.ndarray:
    """Returns the attack's score of vectors, (N,)."""
    ours, theirs = (find_nearest(x, others, 1).distance[:, 0] for others in (samples, [reference]))
    return (theirs.clamp(min=_CLOSEST).log() - ours.clamp(min=_CLOSEST).log()).cpu().numpy()
