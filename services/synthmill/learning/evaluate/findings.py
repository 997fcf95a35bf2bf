"""What an evaluation has found: plain values that a report is drawn from, as JSON and back."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Self


class Group(enum.StrEnum):
    """What a figure says something about."""

    FIDELITY = "fidelity"
    COVERAGE = "coverage"
    UTILITY = "utility"
    MEMORISATION = "memorisation"


class Better(enum.StrEnum):
    """Which values of a figure are good ones."""

    HIGH = "high"
    LOW = "low"


@dataclasses.dataclass(frozen=True)
class Interval:
    """A measured value and its 95 % confidence interval.

    Attributes:
        value: mean of the measurements.
        low: lower end of the interval; the value itself if it was measured once.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Figure:
    """A measure of samples, beside what real records get in their place.

    Attributes:
        name: as in JSON and in thresholds: "coverage".
        group: what it says something about.
        title: for people: "Coverage".
        meaning: what it is, in a sentence, with its range.
        better: which values are good.
        measured: of the samples.
        real: of real records against other real records, which is as good as it gets; None if that has no sense.
        by_class: of the samples of each class, by class name; empty if it was not measured by class.
    """

    name: str
    group: Group
    title: str
    meaning: str
    better: Better
    measured: Interval
    real: Interval | None = None
    by_class: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Arm:
    """What one way to make training data is worth: a probe that learned from it, tested on real held-out records.

    Attributes:
        name: "real", "oversampled", "class_weighted", "smote", "augmented", "synthetic", "real_synthetic" or
            "everything".
        title: for people.
        meaning: what the probe learned from, in a sentence.
        synthetic: whether samples are part of it; one without is a baseline.
        records: different records that there are to learn from; 0 if each is made anew whenever it is seen.
        accuracy: share of the test records that are classified correctly.
        macro_f1: mean over the classes of the harmonic mean of precision and recall.
        recall: share of each class's test records that are recognised, by class name.
        runs: macro-F1 of each seed.
        validation_macro_f1: macro-F1 on real validation records, by which arms are chosen; None if there are none.
        validation_recall: recall on them, by class name.
    """

    name: str
    title: str
    meaning: str
    synthetic: bool
    records: int
    accuracy: Interval
    macro_f1: Interval
    recall: Mapping[str, Interval]
    runs: Sequence[float]
    validation_macro_f1: Interval | None = None
    validation_recall: Mapping[str, Interval] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Condition:
    """A threshold of the gate, and what was measured of it.

    Attributes:
        figure: name of what is bounded.
        bound: the threshold.
        better: HIGH if the value must be at least the bound, LOW if at most.
        value: what was measured.
        passed: whether it holds.
        sentence: the same for people, with by how much it is missed or kept.
    """

    figure: str
    bound: float
    better: Better
    value: float
    passed: bool
    sentence: str


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture beside the findings.

    Attributes:
        name: of its PNG file.
        title: for people.
        caption: what there is to see, in a sentence.
    """

    name: str
    title: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Distribution:
    """How some quantity is distributed among several sets of records.

    Attributes:
        title: for people: "Distance to the nearest training record".
        unit: of the quantity.
        edges: of the bins, ascending, one more than there are bins.
        shares: share of the records in each bin, by name of the set.
    """

    title: str
    unit: str
    edges: Sequence[float]
    shares: Mapping[str, Sequence[float]]


@dataclasses.dataclass(frozen=True)
class Extractor:
    """The network whose features distances are measured in.

    Attributes:
        name: "probe-" and the first hex digits of the digest.
        sha256: digest of its weights.
        meaning: what it learned from, and which layer is used.
        accuracy: share of the real held-out records that it classifies correctly; 0 without classes.
    """

    name: str
    sha256: str
    meaning: str
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Party:
    """One of the two sides that are compared.

    Attributes:
        name: of the model or dataset version.
        digest: its digest.
        counts: records or samples by what they were used for.
    """

    name: str
    digest: str
    counts: Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Findings:
    """All that an evaluation has found.

    Attributes:
        subject: what was evaluated.
        reference: the real records that it was evaluated against.
        kind: of the records.
        labels: class names; empty if there are no classes.
        extractor: what features are; None if only arms were tried.
        figures: in the order in which they are shown.
        arms: in the order in which they are shown; empty without classes.
        conditions: of the gate, in order.
        passed: whether all of them hold.
        verdict: what it comes to, for people, a few sentences.
        pictures: in the order in which they are shown.
        distributions: in the order in which they are shown.
        settings: all that the findings depend on beside the records: seeds, counts, the policy's digest, versions.
    """

    subject: Party
    reference: Party
    kind: str
    labels: Sequence[str]
    extractor: Extractor | None
    figures: Sequence[Figure]
    arms: Sequence[Arm]
    conditions: Sequence[Condition]
    passed: bool
    verdict: Sequence[str]
    pictures: Sequence[Picture]
    distributions: Sequence[Distribution]
    settings: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Returns them as JSON; numbers that are not finite do not occur."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`."""
        return cls(
            subject=Party(**data["subject"]),
            reference=Party(**data["reference"]),
            kind=data["kind"],
            labels=data["labels"],
            extractor=data["extractor"] and Extractor(**data["extractor"]),
            figures=[figure_from_json(each) for each in data["figures"]],
            arms=[_arm(each) for each in data["arms"]],
            conditions=[Condition(**{**each, "better": Better(each["better"])}) for each in data["conditions"]],
            passed=data["passed"],
            verdict=data["verdict"],
            pictures=[Picture(**each) for each in data["pictures"]],
            distributions=[Distribution(**each) for each in data["distributions"]],
            settings=data["settings"],
        )


def figure_from_json(data: Mapping[str, Any]) -> Figure:
    """Returns a figure that `dataclasses.asdict` made JSON of."""
    real = data["real"] and Interval(**data["real"])
    read = {"group": Group(data["group"]), "better": Better(data["better"]), "measured": Interval(**data["measured"])}
    return Figure(**{**data, **read, "real": real})


def _arm(data: Mapping[str, Any]) -> Arm:
    read = {name: Interval(**data[name]) for name in ("accuracy", "macro_f1")}
    validated = data["validation_macro_f1"] and Interval(**data["validation_macro_f1"])
    by_class = {
        field: {name: Interval(**each) for name, each in data[field].items()}
        for field in ("recall", "validation_recall")
    }
    return Arm(**{**data, **read, **by_class, "validation_macro_f1": validated})
