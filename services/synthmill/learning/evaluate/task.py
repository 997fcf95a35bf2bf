"""What an evaluation is asked for, as plain data; needs no torch."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthmill.kinds.base import Schema
from synthmill.learning.evaluate.gate import Gate
from synthmill.runtime.errors import InvalidField

ARMS = ("real", "oversampled", "class_weighted", "smote", "augmented", "synthetic", "real_synthetic", "everything")
"""Names of the ways to make training data that are compared, in the order in which they are shown."""

AUGMENTING_ARMS = ("augmented", "everything")
"""Those that need a policy of augmentation."""

DEFAULT_SHARE, LEAST_SHARE = 0.5, 0.05
"""Share of samples where they are mixed with real records, and the least of either."""


@dataclasses.dataclass(frozen=True)
class EvaluationTask:
    """Samples to be evaluated against real records.

    Attributes:
        subject: name and digest of what the samples are of.
        reference: name and digest of the dataset version with the real records.
        kind: of the records.
        schema: the kind's schema of them.
        labels: class names by label; with fewer than two, there is nothing to teach a probe.
        train: .npy file of each of the kind's columns, [N, ...], and of "label" where there are classes, of the real
            training records.
        validation: the same of real records by which the best arms are chosen; empty if there are none.
        test: the same of real records that everything is tested on.
        samples: the same of samples.
        policy: of classic augmentation, as the kind's augmentation takes it; empty leaves the augmented arms out.
        policy_name: what people call it.
        seeds: probes for each arm.
        probe_steps: batches that each learns from.
        seed: of everything random, in [0, 2^64).
        gate: the thresholds.
        arms: names of the only ones that are tried, and then nothing else is measured; empty means all, and everything.
        synthetic_share: of samples among the records of each class, in the arms that mix them with real ones.
        settings: more that the findings depend on and that is to be shown with them, as JSON.
    """

    subject: tuple[str, str]
    reference: tuple[str, str]
    kind: str
    schema: Schema
    labels: tuple[str, ...]
    train: Mapping[str, Path]
    validation: Mapping[str, Path]
    test: Mapping[str, Path]
    samples: Mapping[str, Path]
    policy: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    policy_name: str = ""
    seeds: int = 3
    probe_steps: int = 2000
    seed: int = 0
    gate: Gate = dataclasses.field(default_factory=Gate)
    arms: tuple[str, ...] = ()
    synthetic_share: float = DEFAULT_SHARE
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def has_classes(self) -> bool:
        """Whether there are classes to tell apart."""
        return len(self.labels) > 1

    def digest(self, counts: Mapping[str, int]) -> str:
        """Names everything that decides what is measured, 16 hex digits: neither where files lie nor the thresholds.

        Args:
            counts: how many records there are in each split.
        """
        named = dataclasses.asdict(
            dataclasses.replace(self, train={}, validation={}, test={}, samples={}, gate=Gate({}))
        )
        text = json.dumps({**named, "counts": dict(counts)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def require_valid(task: EvaluationTask) -> None:
    """Requires values that mean something.

    Raises:
        InvalidField: there is no probe, nothing that it learns from, or no such arm or share.
    """
    for name in ("seeds", "probe_steps"):
        if (value := getattr(task, name)) < 1:
            raise InvalidField(name, value, "at least 1")
    require_arms(task.arms, classes=task.has_classes, policy=bool(task.policy))
    require_share(task.synthetic_share)


def require_arms(arms: Sequence[str], *, classes: bool, policy: bool) -> None:
    """Requires names of arms that can be tried.

    Args:
        arms: their names.
        classes: whether there are classes to tell apart.
        policy: whether there is a policy of augmentation.

    Raises:
        InvalidField: one is unknown or twice there, or cannot be tried.
    """
    possible = [name for name in ARMS if policy or name not in AUGMENTING_ARMS] if classes else []
    if not set(arms) <= set(possible) or len(set(arms)) < len(arms):
        allowed = f"each once, of {', '.join(possible)}" if possible else "none, for records without classes"
        raise InvalidField("arms", ", ".join(arms), allowed)


def require_share(share: float) -> None:
    """Requires a share of samples that leaves something of both.

    Raises:
        InvalidField: it does not.
    """
    if not LEAST_SHARE <= share <= 1 - LEAST_SHARE:
        raise InvalidField("synthetic_share", share, f"{LEAST_SHARE} to {1 - LEAST_SHARE}")
