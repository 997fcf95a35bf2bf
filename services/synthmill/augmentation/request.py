"""What a job is asked to augment, checked against the dataset before the job exists."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from synthmill.augmentation.planning import MAX_RESULTS, Plan, count_missing, plan_copies, plan_missing
from synthmill.augmentation.policies import Checked
from synthmill.augmentation.pools import SPLIT, count_records, require_usable
from synthmill.kinds.base import Kind
from synthmill.kinds.policies.parsing import Policy, operations_of
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.names import check_id
from synthmill.v1 import dataset_pb2

TYPE = "augment"

MAX_COPIES = 10_000
_MAX_PER_CLASS = MAX_RESULTS


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a request asks for; attributes as in the message CreateAugmentationJobRequest."""

    name: str
    copies: int
    records_per_class: int
    balance: bool
    without_originals: bool
    seed: int


@dataclasses.dataclass(frozen=True)
class JobSpec:
    """The parameters of the job "augment", everything resolved.

    Attributes:
        dataset: "datasets/{dataset}/versions/{n}" to augment.
        name: id of the dataset to add a version to.
        policy: with every default written out.
        policy_digest: of the policy.
        copies: results for each record; zero if classes are brought to a size.
        records_per_class: that size; zero if there are copies.
        without_originals: leaves the real records out.
        seed: in decimal digits, as JSON's numbers end at 2^53.
        result_count: number of results.
        policy_name: policy version in the catalog; empty if the policy was not named.
    """

    dataset: str
    name: str
    policy: dict[str, Any]
    policy_digest: str
    copies: int
    records_per_class: int
    without_originals: bool
    seed: str
    result_count: int
    policy_name: str = ""

    def plan(self, labels: np.ndarray | None, record_count: int) -> Plan:
        """Returns the results to make.

        Args:
            labels: class of each record; None if there are none.
            record_count: number of records.
        """
        if self.copies:
            return plan_copies(record_count, self.copies)
        counts = np.bincount(labels).tolist()
        kept = not self.without_originals
        missing = count_missing(counts, list(map(str, counts)), self.records_per_class, keep_originals=kept)
        return plan_missing(labels, missing)


def make_spec(dataset: dataset_pb2.Dataset, checked: Checked, asked: Asked) -> JobSpec:
    """Resolves a request.

    Args:
        dataset: the version to augment.
        checked: the policy.
        asked: what else it is asked for.

    Raises:
        InvalidField: a number or the name is not allowed.
        FailedPrecondition: the dataset cannot be augmented by this policy.
    """
    kind = require_usable(dataset)
    _require_hard_labels(dataset, kind, checked.policy)
    for name, given, high in (
        ("copies", asked.copies, MAX_COPIES),
        ("records_per_class", asked.records_per_class, _MAX_PER_CLASS),
    ):
        if not 0 <= given <= high:
            raise InvalidField(name, given, f"0 to {high}")
    targets = [name for name in ("copies", "records_per_class", "balance") if getattr(asked, name)]
    if len(targets) > 1:
        raise InvalidField(targets[1], getattr(asked, targets[1]), f"one of {' and '.join(targets)}")
    by_class = bool(asked.records_per_class or asked.balance)
    copies, per_class = (0, asked.records_per_class) if by_class else (asked.copies or 1, 0)
    if by_class:
        counts = _class_counts(dataset, targets[0])
        kept = not asked.without_originals
        per_class = per_class or max(counts)
        result_count = sum(count_missing(counts, dataset.labels, per_class, keep_originals=kept))
    else:
        result_count = copies * count_records(dataset)
    if not result_count:
        raise FailedPrecondition(
            f"there is nothing to do: every class of {dataset.name} has {per_class} records or more", field=targets[0]
        )
    if result_count > MAX_RESULTS:
        raise InvalidField(targets[0] if targets else "copies", f"{result_count} results", f"at most {MAX_RESULTS}")
    return JobSpec(
        dataset=dataset.name,
        name=check_id("name", asked.name or f"{dataset.name.split('/')[1]}-augmented"),
        policy=dict(checked.policy.resolved),
        policy_digest=checked.digest,
        copies=copies,
        records_per_class=per_class,
        without_originals=asked.without_originals,
        seed=str(asked.seed),
        result_count=result_count,
        policy_name=checked.name,
    )


def _require_hard_labels(dataset: dataset_pb2.Dataset, kind: Kind, policy: Policy) -> None:
    """Requires that every result has one class, as records of a dataset have."""
    if not dataset.labels:
        return
    operations = kind.augmentation().operations
    for node in operations_of(policy.nodes):
        if operations[node.operation].partners:
            raise FailedPrecondition(
                f"{node.path}: {node.operation} mixes records, so that a result has shares of several classes, and a "
                f"record of {dataset.name} has one class: leave the step out here, and mix where training reads",
                field=node.path,
                value=node.operation,
            )


def _class_counts(dataset: dataset_pb2.Dataset, field: str) -> list[int]:
    if not dataset.labels:
        raise FailedPrecondition(f"{field}: {dataset.name} has no labels", field=field, allowed="copies")
    return next(list(split.class_counts) for split in dataset.splits if split.name == SPLIT)
