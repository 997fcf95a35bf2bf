"""What a job is asked to evaluate, checked against both versions before the job exists."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from synthmill.evaluation.planning import plan_samples
from synthmill.evaluation.policies import Classic
from synthmill.evaluation.records import TEST, TRAIN, VALIDATION, class_counts, count_records, is_usable
from synthmill.kinds.dataset_files import LABEL
from synthmill.learning.evaluate.gate import Gate, list_thresholds
from synthmill.learning.evaluate.task import DEFAULT_SHARE, require_arms, require_share
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.v1 import dataset_pb2, model_pb2

TYPE = "evaluate"

DEFAULT_SEEDS, MAX_SEEDS = 3, 100
DEFAULT_PROBE_STEPS, MAX_PROBE_STEPS = 2000, 10_000_000
MAX_SAMPLES = 100_000_000

# In order of preference; never the records that a model has learned from.
_TESTED_ON = (TEST, VALIDATION)

Version = model_pb2.Model | dataset_pb2.Dataset
"""What can be evaluated; the two messages share the fields that are read here."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a request asks for beside the two versions and a policy; attributes as in CreateEvaluationJobRequest."""

    seeds: int = 0
    probe_steps: int = 0
    samples: int = 0
    thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    without_thresholds: Sequence[str] = ()
    seed: int = 0
    arms: Sequence[str] = ()
    synthetic_share: float = 0.0
    filter: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class EvaluationSpec:
    """The parameters of the job "evaluate", everything resolved.

    Attributes:
        subject: "models/{model}/versions/{n}" or "datasets/{dataset}/versions/{n}".
        reference: "datasets/{dataset}/versions/{n}" of the real records.
        test_split: of the reference, whose records everything is tested on.
        seeds: probes for each arm.
        probe_steps: batches that each learns from.
        sample_counts: samples to draw of each class, or in all without classes; empty for a dataset.
        policy: classic augmentation with every default written out; empty if the kind cannot be augmented.
        policy_name: of the policy, for people.
        policy_digest: of the policy.
        thresholds: number by figure; None for one that does not count.
        seed: in decimal digits, as JSON's numbers end at 2^53.
        arms: names of the only ones that are tried; empty means all, and everything else.
        synthetic_share: of samples in the arms that mix them with real records.
        filter: fields of the filter that samples go through; None if there is none.
    """

    subject: str
    reference: str
    test_split: str
    seeds: int
    probe_steps: int
    sample_counts: list[int]
    policy: dict[str, Any]
    policy_name: str
    policy_digest: str
    thresholds: dict[str, float | None]
    seed: str
    arms: list[str]
    synthetic_share: float
    filter: dict[str, Any] | None


def make_spec(subject: Version, reference: dataset_pb2.Dataset, classic: Classic, asked: Asked) -> EvaluationSpec:
    """Resolves a request.

    Args:
        subject: the version to evaluate.
        reference: the dataset version to evaluate it against.
        classic: augmentation to compare with.
        asked: what else is asked for.

    Raises:
        InvalidField: a number or a threshold is not allowed.
        FailedPrecondition: the two do not fit.
    """
    for name, given, high in (
        ("seeds", asked.seeds, MAX_SEEDS),
        ("probe_steps", asked.probe_steps, MAX_PROBE_STEPS),
        ("samples", asked.samples, MAX_SAMPLES),
    ):
        if not 0 <= given <= high:
            raise InvalidField(name, given, f"0 to {high}")
    test_split = _require_fits(subject, reference)
    classes, share = len(reference.labels) > 1, asked.synthetic_share or DEFAULT_SHARE
    require_arms(asked.arms, classes=classes, policy=bool(classic.policy))
    require_share(share)
    if asked.filter is not None and not isinstance(subject, model_pb2.Model):
        raise InvalidField("filter", "a filter", "none for a dataset: its records are what they are")
    counts: list[int] = []
    if isinstance(subject, model_pb2.Model):
        samples = asked.samples or count_records(reference)
        counts = plan_samples(class_counts(reference), samples) if reference.labels else [samples]
    return EvaluationSpec(
        subject=subject.name,
        reference=reference.name,
        test_split=test_split,
        seeds=asked.seeds or DEFAULT_SEEDS,
        probe_steps=asked.probe_steps or DEFAULT_PROBE_STEPS,
        sample_counts=counts,
        policy=dict(classic.policy),
        policy_name=classic.name,
        policy_digest=classic.digest,
        thresholds=_choose_thresholds(asked, classes),
        seed=str(asked.seed),
        arms=list(asked.arms),
        synthetic_share=share,
        filter=None if asked.filter is None else dict(asked.filter),
    )


def _choose_thresholds(asked: Asked, classes: bool) -> dict[str, float | None]:
    for name in asked.without_thresholds:
        if name in asked.thresholds or name not in Gate().numbers:
            allowed = "one of " + ", ".join(Gate().numbers) + ", none that is given a number"
            raise InvalidField("without_thresholds", name, allowed)
    gate = Gate.given({**asked.thresholds, **dict.fromkeys(asked.without_thresholds)})
    sensible = [threshold.figure for threshold in list_thresholds() if classes or not threshold.of_classes]
    if all(gate.numbers[name] is None for name in sensible):
        raise InvalidField("without_thresholds", ", ".join(sensible), "some of these, not all")
    return dict(gate.numbers)


def _require_fits(subject: Version, reference: dataset_pb2.Dataset) -> str:
    """Makes sure that one can be evaluated against the other, and returns the split to test on."""
    test_split = next((split for split in _TESTED_ON if is_usable(reference, split)), "")
    if subject.kind != reference.kind:
        problem = f"{subject.name} is of the kind {subject.kind}, {reference.name} of the kind {reference.kind}"
    elif list(subject.labels) != list(reference.labels):
        problem = f"{subject.name} and {reference.name} do not have the same classes in the same order"
    elif _columns(subject) != _columns(reference):
        problem = f"{subject.name} has {_told(subject)}, {reference.name} has {_told(reference)}"
    elif not is_usable(reference, TRAIN):
        problem = f"{reference.name} has no records in the split {TRAIN!r}"
    elif isinstance(subject, dataset_pb2.Dataset) and not is_usable(subject, TRAIN):
        problem = f"{subject.name} has no records in the split {TRAIN!r}"
    elif not test_split:
        problem = f"{reference.name} has no records to test on, neither in {' nor in '.join(_TESTED_ON)}"
    else:
        return test_split
    raise FailedPrecondition(f"{problem}: there is nothing to measure", field="against", value=reference.name)


def _columns(version: Version) -> dict[str, tuple[int, tuple[int, ...]]]:
    # Datasets store labels among their columns, models do not.
    return {column.name: (column.data_type, tuple(column.shape)) for column in version.columns if column.name != LABEL}


def _told(version: Version) -> str:
    return ", ".join(f"{name} {list(shape[1:])}" for name, (_, shape) in _columns(version).items())
