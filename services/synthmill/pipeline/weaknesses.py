"""Which classes a round leaves weak, and what might help each: more samples, or more real records. Pure."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

from synthmill.learning.evaluate.findings import Findings
from synthmill.pipeline.deciding import COVERAGE
from synthmill.pipeline.judging import Arm
from synthmill.pipeline.record import WeakClass

# A class is weak that is recognised this much less often than the usual one, or as one of the few that are worst.
_LAG = 0.05
_MOST_SHARE = 0.3
# A class that is recognised so often needs no help, whatever the others are.
_GOOD = 0.97
# Where more real records than this have no sample near them, samples do not reach what is there.
_UNCOVERED = 0.35


def find_weak(arm: Arm, findings: Findings, class_counts: Mapping[str, int]) -> tuple[WeakClass, ...]:
    """Returns the classes that are recognised clearly less often than the others, the weakest first.

    Args:
        arm: the best way to train with samples.
        findings: all that was found, of which the coverage of each class is looked at.
        class_counts: real training records of each class.
    """
    recall = {label: arm.recall[label] for label in class_counts if label in arm.recall}
    if len(recall) < 2:
        return ()
    usual = statistics.median(recall.values())
    weak = sorted((label for label in recall if recall[label] <= min(_GOOD, usual - _LAG)), key=recall.__getitem__)
    most = max(1, round(_MOST_SHARE * len(recall)))
    coverage = next((figure.by_class for figure in findings.figures if figure.name == COVERAGE), {})
    return tuple(_describe(label, recall[label], coverage.get(label), class_counts) for label in weak[:most])


def collection_list(loop: str, weak: Sequence[WeakClass]) -> str:
    """Returns what to collect as a CSV file, a row for each class that is weak, with the loop that says so."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("class", "records", "collect", "recall", "uncovered", "advice", "loop"))
    for each in weak:
        uncovered = "" if each.uncovered is None else f"{each.uncovered:.3f}"
        recall = f"{each.recall:.3f}"
        label, advice = _plain(each.label), _plain(each.advice)
        writer.writerow((label, each.record_count, each.collect_count, recall, uncovered, advice, loop))
    return text.getvalue()


def _describe(label: str, recall: float, coverage: float | None, class_counts: Mapping[str, int]) -> WeakClass:
    count, largest = class_counts[label], max(class_counts.values())
    uncovered = None if coverage is None else 1.0 - coverage
    known = f"{label} is recognised in {recall:.0%} of the cases"
    if count < largest / 2:
        collect = largest // 2 - count
        advice = f"{known} and has {count} training records, the largest class {largest}: collect about {collect} more."
    elif uncovered is not None and uncovered > _UNCOVERED:
        collect = 0
        advice = (
            f"{known}, and {uncovered:.0%} of its real records have no sample near them: draw more of it, train longer."
        )
    else:
        collect = max(1, count // 4)
        advice = (
            f"{known} although it has {count} training records and samples near them: collect about {collect} of the "
            "cases that are taken for another class."
        )
    return WeakClass(label, count, recall, uncovered, collect, advice)


def _plain(text: str) -> str:
    """Returns text as a spreadsheet shows it, even where a class is named like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "@", "-")) else text
