"""Labels and splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmill.catalog.importing.planning import MAX_LABELS, draw_split, sort_labels
from synthmill.catalog.importing.spool import NO_LABEL
from synthmill.catalog.splits import SPLITS
from synthmill.runtime.errors import BadData

TEST = SPLITS.index("test")


def test_labels_are_sorted_by_name_and_numbers_in_them_by_value():
    names, labels = sort_labels(["class 10", "class 9", "apple"], np.array([0, 1, 2, NO_LABEL]))
    assert names == ["apple", "class 9", "class 10"]
    assert labels.tolist() == [2, 1, 0, NO_LABEL]


@pytest.mark.parametrize("names", [["10", "9", "1a", "a1", "-", "٣"], ["b", "B", "ä", ""], []], ids=str)
def test_any_names_can_be_sorted(names):
    ordered, labels = sort_labels(names, np.arange(len(names)))
    assert [ordered[label] for label in labels] == names


def test_identifiers_as_labels_are_bad_data():
    names = [str(number) for number in range(MAX_LABELS + 1)]
    with pytest.raises(BadData, match="10,001 classes"):
        sort_labels(names, np.arange(len(names)))


def lots(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**63, (count, 2)).astype(np.uint64)


def drawn(digests, labels, share, splits=None, name="test"):
    """Draws from records that are all for training, if nothing else is said."""
    return draw_split(np.zeros(len(labels), np.int8) if splits is None else splits, digests, labels, name, share)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.floats(0, 0.9),
)
def test_each_class_gives_its_share_and_keeps_a_record_for_training(labels, fraction):
    labels = np.array(labels)
    is_test = drawn(lots(len(labels)), labels, fraction) == TEST
    for label in np.unique(labels):
        size = int((labels == label).sum())
        assert int(is_test[labels == label].sum()) == min(int(size * fraction + 0.5), size - 1)


def test_same_records_are_drawn_in_any_order():
    digests, labels = lots(500), np.arange(500) % 3
    order = np.random.default_rng(1).permutation(500)
    splits = drawn(digests, labels, 0.2)
    assert (drawn(digests[order], labels[order], 0.2) == splits[order]).all()


def test_zero_fraction_leaves_everything_for_training():
    assert not drawn(lots(100), np.zeros(100, np.int64), 0.0).any()


def test_a_second_split_is_drawn_from_what_the_first_left_for_training():
    digests, labels = lots(200), np.arange(200) % 2
    first = drawn(digests, labels, 0.2)
    second = drawn(digests, labels, 0.25, first, "validation")
    assert (second[first == TEST] == TEST).all()
    assert np.bincount(second, minlength=3).tolist() == [120, 40, 40]
