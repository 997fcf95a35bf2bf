"""Records between neighbours of a class: legal, as many as are missing, whatever the sizes of the classes."""

from __future__ import annotations

import numpy as np
import pytest
from unit.learning.evaluate.records import parts

from synthmill.kinds.base import Columns
from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate import smote
from synthmill.learning.evaluate.smote import interpolate
from synthmill.learning.task import never_stop
from synthmill.runtime.errors import Cancelled

LEARNING = get_kind("image").learning()


def take(sizes: dict[int, int]) -> Columns:
    train, _, _ = parts()
    rows = np.concatenate([np.flatnonzero(train["label"] == label)[:size] for label, size in sizes.items()])
    return {name: array[rows] for name, array in train.items()}


def test_every_class_is_filled_up_with_records_between_those_it_has():
    real = take({0: 40, 1: 12, 2: 2, 3: 1})
    made = interpolate(LEARNING, real, 10, 7, never_stop)
    assert np.bincount(made["label"]).tolist() == [0, 28, 38]
    assert made["image"].dtype == np.uint8
    for label in (1, 2):
        ours, theirs = (each["image"][each["label"] == label].astype(int) for each in (made, real))
        assert (ours >= theirs.min(axis=0)).all()
        assert (ours <= theirs.max(axis=0)).all()
        assert len(np.unique(ours, axis=0)) > len(theirs)


def test_between_two_records_lies_nothing_but_their_segment():
    real = take({0: 30, 1: 2})
    made = interpolate(LEARNING, real, 10, 7, never_stop)["image"].astype(float)
    first, second = real["image"][-2:].astype(float)
    along = ((made - first) * (second - first)).sum(axis=(1, 2, 3)) / ((second - first) ** 2).sum()
    nearest = first + along[:, None, None, None] * (second - first)
    # Levels are whole numbers.
    assert np.abs(made - nearest).max() <= 1


def test_the_same_seed_makes_the_same_records():
    real = take({0: 40, 1: 12})
    first, again, other = (interpolate(LEARNING, real, 10, seed, never_stop)["image"] for seed in (7, 7, 8))
    assert (first == again).all()
    assert not (first == other).all()


@pytest.mark.parametrize("sizes", [{0: 20, 1: 20}, {0: 20, 1: 1}], ids=["balanced", "single"])
def test_where_nothing_is_missing_or_can_be_made_nothing_is(sizes):
    assert interpolate(LEARNING, take(sizes), 10, 7, never_stop) is None


def test_more_than_memory_holds_is_shared_out(monkeypatch):
    monkeypatch.setattr(smote, "_MOST_NUMBERS", 64 * 30)
    made = interpolate(LEARNING, take({0: 60, 1: 40, 2: 20}), 10, 7, never_stop)
    assert np.bincount(made["label"]).tolist() == [0, 10, 20]


def test_it_can_be_stopped():
    def stop() -> None:
        raise Cancelled("stopped by the test")

    with pytest.raises(Cancelled):
        interpolate(LEARNING, take({0: 40, 1: 12}), 10, 7, stop)
