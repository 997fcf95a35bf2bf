"""Refuses records that no generator can learn from; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthmill.kinds.base import Columns
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import BadData, FailedPrecondition

_LEAST = 2
_LOOKED_AT = 4096


def require_enough(columns: Columns, labels: Sequence[str], minimum: int) -> None:
    """Makes sure that there are enough records, as `require_counts`.

    Raises:
        FailedPrecondition: there are not.
    """
    count = _count(columns)
    by_class = np.bincount(columns[LABEL], minlength=len(labels)).tolist() if labels else []
    require_counts(count, dict(zip(labels, by_class, strict=True)), minimum)


def require_counts(count: int, by_class: Mapping[str, int], minimum: int) -> None:
    """Makes sure that there are enough records.

    Args:
        count: records in all.
        by_class: records of each class; empty without classes.
        minimum: least number in a class, or in all without classes; 0 asks for two in all.

    Raises:
        FailedPrecondition: there are not.
    """
    if count < _LEAST:
        raise FailedPrecondition(
            f"{count} training record(s): a generator learns how records differ, which takes at least {_LEAST}",
            field="dataset",
            value=count,
            allowed=f"at least {_LEAST} records",
        )
    short = {name: found for name, found in by_class.items() if found < minimum}
    if not by_class and count < minimum:
        short = {"all": count}
    if short:
        told = ", ".join(f"{name} ({found})" for name, found in list(short.items())[:10])
        raise FailedPrecondition(
            f"fewer than {minimum} training records in {told}: so few are copied, not learned from. Merge or leave "
            f"out such classes, or augment them; min_class_records below {minimum} trains all the same",
            field="parameters.min_class_records",
            value=min(short.values()),
            allowed=f"at least {minimum} records in every class",
        )


def require_variety(columns: Columns) -> None:
    """Makes sure that records differ.

    Raises:
        BadData: they do not.
    """
    count = _count(columns)
    arrays = [array for name, array in columns.items() if name != LABEL]
    # Whatever comes first differs from something else among the first records, in all but odd data.
    for start in range(0, count, _LOOKED_AT):
        if any((array[start : start + _LOOKED_AT] != array[0]).any() for array in arrays):
            return
    raise BadData(f"all {count} training records are the same: there is nothing to learn", field="dataset", value=count)


def _count(columns: Columns) -> int:
    return len(next(iter(columns.values())))
