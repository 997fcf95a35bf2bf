"""Label plans as they are asked for, by class name; `resolve` turns one into labels by index."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from synthmill.runtime.errors import InvalidField
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.sampling.labels import ExactCounts, GivenLabels, InTurn, LabelPlan, OneLabel, Weighted, counts_to_balance

ClassCounts = Callable[[str], Awaitable[Mapping[str, int]]]
"""Returns the size of each class of a dataset's training split; empty if the dataset has no labels."""

Number = TypeVar("Number", int, float)


class PlanSpec(ABC):
    """A label plan as it is asked for."""

    @abstractmethod
    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        """Makes the plan for a model with these labels.

        Raises:
            InvalidField: an unknown class name or a number that is not allowed.
        """


@dataclasses.dataclass(frozen=True)
class Default(PlanSpec):
    """The classes in turn."""

    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        return InTurn(len(labels))


@dataclasses.dataclass(frozen=True)
class One(PlanSpec):
    """One class for every index."""

    label: str

    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        return OneLabel(len(labels), _position(labels, self.label, "label_plan.label"))


@dataclasses.dataclass(frozen=True)
class Counts(PlanSpec):
    """Exact numbers by class name."""

    counts: Mapping[str, int]

    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        field = "label_plan.counts"
        for name, count in self.counts.items():
            if count < 0:
                raise InvalidField(f"{field}.{name}", count, "at least 0")
        values = _by_position(labels, self.counts, field, 0)
        if not 1 <= sum(values) <= INDEX_LIMIT:
            raise InvalidField(field, sum(values), f"a sum of 1 to {INDEX_LIMIT}")
        return ExactCounts(values)


@dataclasses.dataclass(frozen=True)
class Weights(PlanSpec):
    """Shares by class name."""

    weights: Mapping[str, float]

    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        field = "label_plan.weights"
        for name, weight in self.weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise InvalidField(f"{field}.{name}", weight, "a finite number of at least 0")
        values = _by_position(labels, self.weights, field, 0.0)
        largest = max(values)
        if largest <= 0:
            raise InvalidField(field, dict(self.weights), "a sum above 0")
        return Weighted([value / largest for value in values])


@dataclasses.dataclass(frozen=True)
class Balance(PlanSpec):
    """What the classes of a dataset lack to be of one size."""

    dataset: str
    target_count: int = 0

    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        field = "label_plan.balance"
        if not 0 <= self.target_count <= INDEX_LIMIT:
            raise InvalidField(f"{field}.target_count", self.target_count, f"0 to {INDEX_LIMIT}")
        sizes = await class_counts(self.dataset)
        if not sizes:
            raise InvalidField(f"{field}.dataset", self.dataset, "a dataset with labels")
        lacking = dict(zip(sizes, counts_to_balance(list(sizes.values()), self.target_count), strict=True))
        values = _by_position(labels, lacking, f"{field}.dataset", 0)
        if not sum(values):
            smallest = min(sizes.values())
            raise InvalidField(f"{field}.target_count", self.target_count, f"above {smallest}: no class has fewer")
        return ExactCounts(values)


@dataclasses.dataclass(frozen=True)
class Given(PlanSpec):
    """A label of its own for each of some indices, by position in the model's labels.

    Attributes:
        indices: the indices of an `IndexQuery`, in its order; one may come twice, with another label.
        labels: as many labels.
    """

    indices: tuple[int, ...]
    labels: tuple[int, ...]

    async def resolve(self, labels: Sequence[str], class_counts: ClassCounts) -> LabelPlan:
        for label in (min(self.labels), max(self.labels)):
            if not 0 <= label < len(labels):
                raise InvalidField("label", label, f"0 to {len(labels) - 1}")
        return GivenLabels(len(labels), self.indices, self.labels)


def _position(labels: Sequence[str], name: str, field: str) -> int:
    try:
        return labels.index(name)
    except ValueError:
        raise InvalidField(field, name, "one of " + ", ".join(labels)) from None


def _by_position(labels: Sequence[str], given: Mapping[str, Number], field: str, missing: Number) -> list[Number]:
    """Orders values as the labels are; a class that is not named gets `missing`."""
    for name in given:
        _position(labels, name, field)
    return [given.get(name, missing) for name in labels]
