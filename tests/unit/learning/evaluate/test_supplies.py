"""Streams of records: any stretch is the same however it is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from unit.learning.evaluate.records import SCHEMA, parts
from unit.learning.evaluate.subjects import SHIFTS

from synthmill.kinds.registry import get_kind
from synthmill.learning.data import make_order
from synthmill.learning.evaluate.supplies import Augmented, Joined, Mixed
from synthmill.learning.task import LABEL
from synthmill.runtime.errors import InvalidField

KIND = get_kind("image")


def mixed(records: Joined, seed: int = 3) -> Mixed:
    return Mixed(records, make_order({LABEL: records.label}, seed, 10, "balanced"))


def augmented(policy: object, records: Joined, seed: int = 3) -> Augmented:
    checked = KIND.augmentation().policy(policy)
    return Augmented(mixed(records, seed), KIND, SCHEMA, checked, records, 10, seed)


@pytest.fixture(scope="module")
def records() -> Joined:
    train, test, _ = parts()
    return Joined(train, test)


def test_rows_count_through_all_sets(records):
    train, test, _ = parts()
    rows = np.array([len(train[LABEL]), 0, len(records) - 1, 5])
    found = records.load(rows)
    assert len(records) == len(train[LABEL]) + len(test[LABEL])
    assert found[LABEL].tolist() == [test[LABEL][0], train[LABEL][0], test[LABEL][-1], train[LABEL][5]]
    expected = np.stack([test["image"][0], train["image"][0], test["image"][-1], train["image"][5]])
    assert (found["image"] == expected).all()


@pytest.mark.parametrize("make", [mixed, lambda records: augmented(SHIFTS, records)], ids=["mixed", "augmented"])
def test_any_stretch_is_the_same_in_parts_and_in_any_order(records, make):
    whole = make(records).take(1000, 60)
    supply = make(records)
    later = supply.take(1020, 40)
    sooner = supply.take(1000, 20)
    for name, array in whole.items():
        assert (np.concatenate([sooner[name], later[name]]) == array).all()


def test_what_is_augmented_stays_legal_and_is_changed_anew_each_time(records):
    few = Joined({name: array[:20] for name, array in parts()[0].items()})
    found = augmented(SHIFTS, few).take(0, 400)
    plain = mixed(few).take(0, 400)
    assert found["image"].dtype == np.uint8
    assert found["image"].shape == plain["image"].shape
    assert found[LABEL].dtype == np.float32
    assert (found[LABEL].argmax(axis=1) == plain[LABEL]).all()
    same = (plain["image"] == plain["image"][0]).all(axis=(1, 2, 3))
    assert len(np.unique(found["image"][same], axis=0)) > 0.9 * same.sum()


def test_policies_that_mix_records_make_labels_that_are_shares(records):
    found = augmented({"steps": [{"op": "mixup"}]}, records).take(0, 64)
    assert found[LABEL].sum(axis=1) == pytest.approx(np.ones(64), abs=1e-3)
    assert (found[LABEL].max(axis=1) < 0.999).any()


def test_a_policy_that_changes_the_shape_is_refused(records):
    with pytest.raises(InvalidField, match=r"policy: .*\[4, 4, 1\].* allowed: .*\[8, 8, 1\]"):
        augmented({"steps": [{"op": "resize", "height": 4, "width": 4}]}, records).take(0, 8)
