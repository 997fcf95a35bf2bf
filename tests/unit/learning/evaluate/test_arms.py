"""What probes are given to learn from, way by way, on a long tail."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from unit.learning.evaluate.records import SCHEMA, parts
from unit.learning.evaluate.subjects import SHIFTS

from synthmill.kinds.registry import get_kind
from synthmill.learning.evaluate.arms import WAYS, Ingredients, inverse_frequency, mix_by_class
from synthmill.learning.task import never_stop

SIZES = {0: 60, 1: 30, 2: 6, 3: 1}
KIND = get_kind("image")
BY_NAME = {way.name: way for way in WAYS}
TAKEN = 4000


@pytest.fixture(scope="module")
def given() -> Ingredients:
    train, _, perfect = parts()
    rows = np.concatenate([np.flatnonzero(train["label"] == label)[:size] for label, size in SIZES.items()])
    real = {name: array[rows] for name, array in train.items()}
    samples = {name: array[perfect["label"] < 4] for name, array in perfect.items()}
    return Ingredients(KIND, SCHEMA, 10, real, samples, KIND.augmentation().policy(SHIFTS))


def shares(given: Ingredients, name: str) -> np.ndarray:
    """Returns how often each class comes in what a way gives, (classes,)."""
    label = BY_NAME[name].prepare(given, 5, never_stop).supply.take(0, TAKEN)["label"]
    classes = label if label.ndim == 1 else label.argmax(axis=1)
    return np.bincount(classes, minlength=10) / len(classes)


@pytest.mark.parametrize("name", ["real", "class_weighted"])
def test_as_they_are_classes_come_as_often_as_there_are_records(given, name):
    assert shares(given, name)[:4] == pytest.approx(np.array(list(SIZES.values())) / 97, abs=0.01)


@pytest.mark.parametrize("name", ["oversampled", "smote", "augmented", "real_synthetic", "everything"])
def test_where_a_way_balances_classes_come_equally_often(given, name):
    assert shares(given, name)[:4] == pytest.approx(np.full(4, 0.25), abs=0.01)


def test_every_real_record_and_as_many_samples_are_seen_of_each_class(given):
    found = BY_NAME["real_synthetic"].prepare(given, 5, never_stop).supply.take(0, TAKEN)
    real = {image.tobytes() for image in given.real["image"]}
    seen = [image.tobytes() for image in found["image"]]
    is_real = np.array([image in real for image in seen])
    assert real <= set(seen)
    for label in SIZES:
        assert is_real[found["label"] == label].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("share", [0.05, 0.33, 0.5, 0.95])
def test_samples_are_the_share_of_each_class_that_is_asked_for(given, share):
    asked = dataclasses.replace(given, synthetic_share=share)
    found = BY_NAME["real_synthetic"].prepare(asked, 5, never_stop).supply.take(0, TAKEN)
    real = {image.tobytes() for image in given.real["image"]}
    is_sample = np.array([image.tobytes() not in real for image in found["image"]])
    for label in SIZES:
        assert is_sample[found["label"] == label].mean() == pytest.approx(share, abs=0.03)


def test_a_class_that_lacks_real_records_or_samples_is_as_frequent_as_the_others():
    label = np.array([0, 0, 0, 1] + [0] * 9 + [2] * 5)
    rows = mix_by_class(label, 4, 0.5, seed=1).take(0, 3000)
    assert np.bincount(label[rows]) == pytest.approx(np.full(3, 1000), abs=30)
    assert (rows[label[rows] == 0] < 4).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("name", "records"),
    [("real", 97), ("oversampled", 97), ("augmented", 0), ("real_synthetic", None), ("everything", 0)],
)
def test_different_records_are_counted(given, name, records):
    expected = 97 + len(given.samples["label"]) if records is None else records
    assert BY_NAME[name].prepare(given, 5, never_stop).records == expected


def test_smote_fills_up_all_classes_of_two_records_or_more(given):
    assert BY_NAME["smote"].prepare(given, 5, never_stop).records == 3 * 60 + 1


def test_errors_weigh_so_much_that_all_classes_weigh_the_same():
    label = np.array([0] * 6 + [1] * 3 + [3])
    weights = inverse_frequency(label, 5)
    assert weights[label].mean() == pytest.approx(1)
    assert (np.bincount(label, minlength=5) * weights).tolist() == pytest.approx([10 / 3, 10 / 3, 0, 10 / 3, 0])


def test_only_ways_with_samples_say_so():
    assert [way.name for way in WAYS if way.synthetic] == ["synthetic", "real_synthetic", "everything"]
