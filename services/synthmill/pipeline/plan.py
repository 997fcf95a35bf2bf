"""What a loop is to do: plain values, every default in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from synthmill.kinds.base import parameter
from synthmill.pipeline.ranges import Range

NONE = "none"
"""The policy that leaves classic augmentation out, and the compression that leaves a model as it is."""

DEFAULT_POLICIES = ("light", "standard", "rand_augment", "rand_augment(4, 4)", "trivial_augment_wide")
"""Tried where none are named, as far as the kind has them. Of RandAugment, few strong operations as published, and more
weak ones, which scarce records gained more by."""

DEFAULT_PARAMETERS: Mapping[str, Range] = {
    "learning_rate": Range(low=0.5, high=2.0, log=True, relative=True),
    "width": Range(choices=(1.0, 1.5), relative=True),
    "latent_size": Range(choices=(1.0, 0.5, 2.0), relative=True),
}
"""Searched where a family names none, as far as it has them."""

DEFAULT_SHARES = Range(low=0.25, high=0.75)

DEFAULT_VALIDATION_FRACTION = 0.2

_SYNTHETIC = "-synthetic"
_ID_LENGTH = 63
_MAX_MINUTES = 43_200
_MAX_STEPS = 10_000_000


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much may be done."""

    minutes: float = parameter(60.0, "time for all of it, in minutes", minimum=0.1, maximum=_MAX_MINUTES)
    trials: int = parameter(15, "trials in all", minimum=1, maximum=10_000)
    rounds: int = parameter(2, "rounds at most", minimum=1, maximum=100)


@dataclasses.dataclass(frozen=True)
class Collect:
    """How the source is imported.

    Attributes:
        name: id of the dataset to add a version to.
        label_from: where labels come from; empty means what the source suggests.
        parameters: of the import.
        provenance: license, origin and consent.
    """

    name: str = ""
    label_from: str = ""
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Augment:
    """Classic augmentation that is tried.

    Attributes:
        policies: names, in the order in which they are tried; `NONE` alone tries none, empty means the defaults.
        before_training: choices of whether a generator learns from an augmented dataset.
    """

    policies: tuple[str, ...] = ()
    before_training: tuple[bool, ...] = (False,)

    @property
    def tried(self) -> tuple[str, ...]:
        """The policies without the word for none."""
        return tuple(name for name in self.policies if name != NONE)


@dataclasses.dataclass(frozen=True)
class TrainSwitches:
    """What holds for all trainings."""

    minutes: float = parameter(
        0.0, "time for one training, in minutes; 0 means what the budget leaves", minimum=0.0, maximum=_MAX_MINUTES
    )
    stop_early: bool = parameter(True, "end a training that others are better than at the same share of the run")


@dataclasses.dataclass(frozen=True)
class Train(TrainSwitches):
    """Generators that are tried.

    Attributes:
        families: values of hyper-parameters that are tried, by family and name; empty means the defaults.
    """

    families: Mapping[str, Mapping[str, Range]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Refine:
    """What is tried with a generator.

    Attributes:
        filter: choices of whether its samples are filtered.
        compression: choices of what makes it smaller: `NONE`, or methods joined by "+".
    """

    filter: tuple[bool, ...] = (False, True)
    compression: tuple[str, ...] = (NONE, "int8")


@dataclasses.dataclass(frozen=True)
class Mint:
    """What is drawn of a generator.

    Attributes:
        share: of samples among the records of a class.
        samples: of a synthetic dataset; 0 means for each class as many as the largest has real records.
        emphasis: choices of how many times as many samples of a weak class there are.
    """

    share: Range = DEFAULT_SHARES
    samples: int = 0
    emphasis: tuple[float, ...] = (1.0, 2.0, 4.0)


@dataclasses.dataclass(frozen=True)
class EvaluateNumbers:
    """How long is measured."""

    seeds: int = parameter(3, "probes for each way to make training data", minimum=1, maximum=100)
    probe_steps: int = parameter(2000, "batches that each learns from", minimum=1, maximum=_MAX_STEPS)
    trial_probe_steps: int = parameter(
        1000, "batches that the probe of a trial learns from", minimum=1, maximum=_MAX_STEPS
    )


@dataclasses.dataclass(frozen=True)
class Evaluate(EvaluateNumbers):
    """How samples are measured.

    Attributes:
        thresholds: numbers of the gate's thresholds by figure.
        without_thresholds: figures whose thresholds do not count.
    """

    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    without_thresholds: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Decide:
    """What follows from what was measured."""

    least_gain: float = parameter(
        0.002, "growth of the lift, as macro-F1, that another round is worth", minimum=0.0, maximum=1.0
    )
    tolerance: float = parameter(0.003, "macro-F1 that a smaller model may lose", minimum=0.0, maximum=1.0)
    beyond_spread: bool = parameter(False, "ship a model only if its lift is beyond the spread over the seeds")
    promote: bool = parameter(True, "promote a model that is shipped")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a loop is to do.

    Attributes:
        dataset: "datasets/{dataset}" or a version of it; empty if there is a source.
        source: what is imported first.
        kind: of the source's records.
        model: id of the model that generators become versions of.
        seed: of everything random, in [0, 2^64).
        budget: how much may be done.
        collect, augment, train, refine, mint, evaluate, decide: what happens in each step.
    """

    dataset: str = ""
    source: str = ""
    kind: str = ""
    model: str = ""
    seed: int = 0
    budget: Budget = Budget()
    collect: Collect = Collect()
    augment: Augment = Augment()
    train: Train = Train()
    refine: Refine = Refine()
    mint: Mint = Mint()
    evaluate: Evaluate = Evaluate()
    decide: Decide = Decide()

    @property
    def dataset_id(self) -> str:
        """Id of the dataset with the real records."""
        return self.dataset.split("/")[1] if self.dataset else self.collect.name

    @property
    def synthetic_id(self) -> str:
        """Id of the dataset that samples become versions of."""
        return f"{self.dataset_id[: _ID_LENGTH - len(_SYNTHETIC)]}{_SYNTHETIC}"

    def to_json(self) -> dict[str, Any]:
        """Returns it as `parse_plan` reads it; the seed in decimal digits, as JSON's numbers end at 2^53."""
        plan = dataclasses.asdict(self)
        families = {
            family: {"parameters": {name: tried.to_json() for name, tried in parameters.items()}}
            for family, parameters in self.train.families.items()
        }
        plan["train"]["families"] = families
        plan["mint"]["share"] = self.mint.share.to_json()
        plan["seed"] = str(self.seed)
        return _listed(plan)


def _listed(value: Any) -> Any:
    """Makes lists of tuples, as JSON has them."""
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value
