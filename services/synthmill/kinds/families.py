"""Hyper-parameters that training reads in every kind; a kind's own classes add those of its networks."""

from __future__ import annotations

import dataclasses

from synthmill.kinds.base import HyperParameters, parameter

FITTED, STANDARD = "fitted", "standard"
"""Names of what a VAE's samples are drawn from."""

FEATURE_WEIGHT = (
    "weight, for each number of a record, of how far a reconstruction is from its record in the layers of a classifier "
    "that learns beside it; 0, or a single class, has no classifier"
)
"""What `feature_weight` is, in every kind."""

# A normal needs several times as many records as a code has dimensions.
RECORDS_PER_DIMENSION = 8
MOST_PARTS = 10

OBJECTIVES = ("non_saturating", "hinge", "relativistic")
"""Names of the adversarial losses; `learning.objectives` has a loss for each."""


@dataclasses.dataclass(frozen=True)
class TrainingParameters(HyperParameters):
    """What every family has."""

    latent_size: int = parameter(64, "dimensions of the latent vector", minimum=1, maximum=1024)
    steps: int = parameter(3000, "training steps", minimum=1, maximum=100_000_000)
    batch_size: int = parameter(64, "records in a step, over all devices", minimum=2, maximum=65_536)
    accumulation: int = parameter(
        1,
        "parts that a device works on its share of a batch in, one after another: more need less memory and more time",
        minimum=1,
        maximum=1024,
    )
    learning_rate: float = parameter(1e-3, "Adam's learning rate", above=0.0, maximum=1.0)
    decay_start: float = parameter(
        0.5, "share of the run after which the learning rate falls to zero; 1 never lets it", minimum=0.0, maximum=1.0
    )
    class_weights: str = parameter(
        "balanced",
        "how often each class is drawn: balanced, natural (as in the records), square_root (between them), "
        "or a number per class with commas between",
    )
    ema_decay: float = parameter(
        0.9999,
        "share that the averaged weights keep in a step at most; less as long as a run is short",
        minimum=0.0,
        maximum=0.999999,
    )
    validation_interval: int = parameter(
        0,
        "steps from one measurement of utility to the next; 0 takes about 5 % of the time for all of them",
        minimum=0,
        maximum=100_000_000,
    )
    patience: float = parameter(
        0.75, "share of the run without a better measurement that ends it; 0 for never", minimum=0.0, maximum=1.0
    )
    min_class_records: int = parameter(
        8, "records that a class must have to be trained on; 0 asks for two in all", minimum=0, maximum=1_000_000
    )


@dataclasses.dataclass(frozen=True)
class AdversarialParameters(TrainingParameters):
    """What the family "gan" has."""

    objective: str = parameter("hinge", "adversarial loss", choices=OBJECTIVES)
    discriminator_rate_factor: float = parameter(
        1.0, "the discriminator's learning rate as a multiple of the generator's", above=0.0, maximum=1000.0
    )
    beta1: float = parameter(0.0, "Adam's decay of the mean gradient", minimum=0.0, maximum=0.999)
    beta2: float = parameter(0.99, "Adam's decay of the mean squared gradient", minimum=0.0, maximum=0.99999)
    discriminator_steps: int = parameter(1, "discriminator updates in a step", minimum=1, maximum=16)
    r1_weight: float = parameter(0.0, "gamma of the gradient penalty on real records", minimum=0.0, maximum=1e4)
    r2_weight: float = parameter(0.0, "gamma of the gradient penalty on generated records", minimum=0.0, maximum=1e4)
    penalty_interval: int = parameter(8, "steps from one gradient penalty to the next", minimum=1, maximum=1000)
    diff_augment: str = parameter("none", "differentiable augmentation of what the discriminator sees")
    augment_target: float = parameter(
        0.6,
        "mean sign of the real records' logits above which more of them are augmented; 0 augments all of them",
        minimum=0.0,
        maximum=1.0,
    )
    warm_start: float = parameter(
        0.0,
        "share of the run in which the generator is first trained as the decoder of a VAE",
        minimum=0.0,
        maximum=0.9,
    )
    elbo_weight: float = parameter(
        0.0, "weight of a VAE's loss beside the generator's own, which keeps every mode", minimum=0.0, maximum=1e4
    )
    elbo_interval: int = parameter(2, "steps from one VAE loss to the next", minimum=1, maximum=1000)


@dataclasses.dataclass(frozen=True)
class VariationalParameters(TrainingParameters):
    """What the family "vae" has."""

    beta: float = parameter(1.0, "weight of the divergence from the prior", minimum=0.0, maximum=1e4)
    prior: str = parameter(
        FITTED,
        "what codes are drawn from: a mixture of normals fitted to each class's own, or the standard normal",
        choices=(FITTED, STANDARD),
    )
    prior_parts: int = parameter(
        0,
        "normals in the mixtures of all classes together; 0 chooses by the number of records, up to ten in a class",
        minimum=0,
        maximum=100_000,
    )
    feature_weight: float = parameter(0.0, FEATURE_WEIGHT, minimum=0.0, maximum=1e4)
    free_bits: float = parameter(
        0.0, "divergence in nats that each latent dimension may have without a penalty", minimum=0.0, maximum=100.0
    )
