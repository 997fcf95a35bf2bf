"""Keeps account of what an import finds: every finding by name, and all of them in numbers."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator

from synthmill.catalog.importing.duplicates import Finding
from synthmill.catalog.importing.planning import Plan
from synthmill.catalog.importing.spool import NO_LABEL, Spool
from synthmill.kinds.base import IssueReason, Rejection


@dataclasses.dataclass(frozen=True, slots=True)
class Issue:
    """One finding; fields as in the message `ImportIssue`, and the item's position in the source."""

    position: int
    source: str
    reason: IssueReason
    detail: str
    dropped: bool
    other: str = ""


class IssueLog:
    """All findings of an import."""

    def __init__(self) -> None:
        self._issues: list[Issue] = []
        self._counts: Counter[str] = Counter()
        self.dropped_count = 0

    def __iter__(self) -> Iterator[Issue]:
        return iter(self._issues)

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by reason."""
        return dict(self._counts)

    def add(self, issues: Iterable[Issue]) -> None:
        """Records findings; each one dropped stands for one item."""
        for issue in issues:
            self._issues.append(issue)
            self._counts[issue.reason.value] += 1
            self.dropped_count += issue.dropped

    def summary(self) -> str:
        """Says in one line how many findings there are of each reason, the most frequent first."""
        return ", ".join(f"{reason} {count}" for reason, count in self._counts.most_common()) or "nothing to report"


def of_rejection(position: int, rejection: Rejection) -> Issue:
    """Turns an item that could not be used into an issue."""
    return Issue(position, rejection.source, rejection.reason, rejection.detail, dropped=True)


def of_unlabelled(spool: Spool, plan: Plan) -> Iterator[Issue]:
    """Turns records without a label, where others have one, into issues."""
    for row in plan.unlabelled.tolist():
        position = int(spool.positions[row])
        yield Issue(position, spool.source(row), IssueReason.BAD_LABEL, "has no label, others have", dropped=True)


def of_findings(spool: Spool, plan: Plan, findings: Iterable[Finding]) -> Iterator[Issue]:
    """Turns findings about pairs of records into issues."""
    for found in findings:
        yield Issue(
            int(spool.positions[found.row]),
            spool.source(found.row),
            found.reason,
            _detail(plan, found),
            found.dropped,
            spool.source(found.other),
        )


_DETAILS = {
    IssueReason.EXACT_DUPLICATE: "equal to a record before it",
    IssueReason.CROSS_SPLIT_DUPLICATE: "equal to a record of another split",
    IssueReason.CONFLICTING_LABEL: "equal to a record with another label",
    IssueReason.NEAR_DUPLICATE: "nearly equal to a record before it",
    IssueReason.CROSS_SPLIT_NEAR_DUPLICATE: "nearly equal to a record of another split",
}


def _detail(plan: Plan, found: Finding) -> str:
    mine, theirs = int(plan.labels[found.row]), int(plan.labels[found.other])
    if mine == theirs or NO_LABEL in (mine, theirs):
        return _DETAILS[found.reason]
    return f"{_DETAILS[found.reason]}; labelled {plan.label_names[mine]} here and {plan.label_names[theirs]} there"
