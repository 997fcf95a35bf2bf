"""Chooses a family of generators by the data and the time there is; needs no torch."""

from __future__ import annotations

import math

from synthmill.kinds.base import Kind, Schema

AUTO = "auto"

# Below 20 to 50 images of a class, a GAN trained on them made classifiers worse rather than better: arXiv 2603.16134.
_FEW = 50
# A judgement, from few figures. On 28 x 28 images, a VAE's TSTR was 0.85 after 300 s of one core, a GAN's 0.76 after
# 420 s and rising slowly; on 8 x 8 images, both were done in some minutes, and the GAN's was the higher. A step
# costs about as much as a record has numbers; with less time than this for each, a VAE gets further.
_GAN_SECONDS_PER_NUMBER = 4.0
# What a run takes, about, if nobody sets a bound.
_USUAL_S = 600.0


def choose_family(
    kind: Kind, schema: Schema, record_count: int, label_count: int, budget_s: float = 0.0
) -> tuple[str, str]:
    """Returns a family that the kind has, and why it was chosen, in words.

    Args:
        kind: of the records.
        schema: the kind's schema of them.
        record_count: records to learn from.
        label_count: number of classes; 0 without labels.
        budget_s: time to learn in; 0 is what the default number of steps takes.
    """
    families = sorted(kind.hyper_parameters)
    if len(families) == 1:
        return families[0], f"{families[0]}: the only family for the kind {kind.name}"
    per_class = record_count / max(label_count, 1)
    unit = "in a class" if label_count else "in all"
    if per_class < _FEW:
        return "vae", (
            f"vae: {per_class:.0f} records {unit} are too few for a discriminator: below {_FEW} it learns them by heart"
        )
    numbers = sum(math.prod(shape) for _, shape in kind.columns(schema).values())
    needed_s = _GAN_SECONDS_PER_NUMBER * numbers
    time = f"{budget_s:.0f} s" if budget_s else "the default number of steps"
    if (budget_s or _USUAL_S) < needed_s:
        return "vae", (
            f"vae: a gan of records of {numbers} numbers takes about {needed_s:.0f} s to overtake it, "
            f"longer than {time}"
        )
    return "gan", f"gan: its samples are the better ones, {per_class:.0f} records {unit} and {time} are enough for it"
