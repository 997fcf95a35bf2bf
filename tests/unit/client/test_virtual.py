"""A dataset that is generated when it is looked at."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from unit.client.fakes.model import LABELS, MODEL
from unit.client.fakes.sampling import expected_columns, expected_labels

from synthmill.client import SampleDataset, label_counts
from synthmill.runtime.errors import DataLoss, InvalidField, NotFound


def expected(index, plan=None):
    index = np.atleast_1d(np.asarray(index, np.int64))
    return expected_columns(5, index, expected_labels(index, plan))


def assert_items(items, index, plan=None):
    wanted = expected(index, plan)
    np.testing.assert_array_equal(np.stack([item["image"] for item in items]), wanted["image"])
    assert [item["label"] for item in items] == wanted["label"].tolist()


@pytest.fixture
def dataset(client):
    return SampleDataset(client, "pets", 1000, seed=5, start_index=100)


def test_items_are_samples(dataset):
    assert len(dataset) == 1000
    assert_items([dataset[0], dataset[999], dataset[-1], dataset[np.int64(7)]], [100, 1099, 1099, 107])
    assert isinstance(dataset[0]["label"], int)


def test_slices_and_lists_of_items(dataset):
    assert_items(dataset[10:40:7], range(110, 140, 7))
    assert_items(dataset[[3, 500, 3]], [103, 600, 103])
    assert_items(dataset[np.array([4, -1])], [104, 1099])
    assert dataset[5:5] == []


@pytest.mark.parametrize("item", [1000, -1001])
def test_items_outside_are_refused(dataset, item):
    with pytest.raises(IndexError):
        dataset[item]
    with pytest.raises(IndexError):
        dataset[[0, item]]


def test_iteration_ends(client):
    assert_items(list(SampleDataset(client, "pets", 300, seed=5)), range(300))


def test_neighbours_come_in_one_call(dataset, services):
    asked = len(services.sampling.requests)
    for item in range(200):
        dataset[item]
    assert len(services.sampling.requests) == asked + 1


def test_batch_comes_in_one_call(dataset, services):
    asked = len(services.sampling.requests)
    items = np.random.default_rng(0).permutation(1000)[:300].tolist()
    assert_items(dataset.__getitems__(items), [100 + item for item in items])
    assert len(services.sampling.requests) == asked + 1


def test_items_may_be_changed(dataset):
    image = dataset[0]["image"]
    image[:] = 0
    assert dataset[0]["image"].any()


def test_length_may_be_what_a_plan_has(client):
    dataset = SampleDataset(client, "pets", seed=5, labels="cat=2,fox=4")
    assert len(dataset) == 6
    assert_items(dataset[:], range(6), label_counts({"cat": 2, "fox": 4}))


def test_any_length_costs_nothing(client):
    dataset = SampleDataset(client, "pets", 10**12, seed=5)
    assert_items([dataset[10**12 - 1]], [10**12 - 1])


def test_version_is_fixed(dataset, services):
    services.sampling.version = 2
    assert dataset[0]
    assert services.sampling.requests[-1].model == dataset.model.name == f"{MODEL}/versions/1"


def test_samples_of_another_model_are_refused(dataset):
    dataset.model.digest = "0" * 64
    with pytest.raises(DataLoss):
        dataset[0]


def test_transform_makes_the_items(client):
    dataset = SampleDataset(client, "pets", 10, seed=5, transform=lambda sample: LABELS[sample["label"]])
    assert dataset[:4] == ["cat", "dog", "fox", "cat"]
    assert dataset[2] == "fox"


def test_copy_by_pickle_gives_the_same_items(dataset):
    assert_items([dataset[3]], [103])
    copy = pickle.loads(pickle.dumps(dataset))
    assert_items([copy[3], *copy[[7]]], [103, 107])


def test_every_epoch_has_fresh_samples_and_the_same_ones_again(dataset):
    assert_items([dataset[0], *dataset[[999, 5]]], [100, 1099, 105])
    dataset.set_epoch(3)
    assert_items([dataset[0], *dataset[[999, 5]]], [3100, 4099, 3105])
    dataset.set_epoch(1)
    assert_items([dataset[0], dataset[999]], [1100, 2099])
    dataset.set_epoch(0)
    assert_items([dataset[0], dataset[999]], [100, 1099])


def test_a_copy_begins_with_the_epoch_and_goes_its_own_way(dataset):
    dataset.set_epoch(2)
    copy = pickle.loads(pickle.dumps(dataset))
    dataset.set_epoch(0)
    assert_items([copy[3]], [2103])
    copy.set_epoch(5)
    assert_items([dataset[3]], [103])


def test_epochs_end_where_the_label_plan_or_the_indices_do(client):
    dataset = SampleDataset(client, "pets", 2, seed=5, labels="cat=2,fox=4")
    dataset.set_epoch(2)
    assert_items(dataset[:], range(4, 6), label_counts({"cat": 2, "fox": 4}))
    for epoch in (3, -1):
        with pytest.raises(InvalidField, match="0 to 2: exact counts end"):
            dataset.set_epoch(epoch)
    everything = SampleDataset(client, "pets", labels="cat=2,fox=4")
    with pytest.raises(InvalidField, match="0 to 0"):
        everything.set_epoch(1)
    last = SampleDataset(client, "pets", 1 << 40, start_index=1 << 40)
    last.set_epoch(254)
    with pytest.raises(InvalidField, match="0 to 254: there are no more indices"):
        last.set_epoch(255)


def test_bad_requests_are_refused_at_once(client):
    with pytest.raises(InvalidField, match="length"):
        SampleDataset(client, "pets", 0)
    with pytest.raises(NotFound):
        SampleDataset(client, "dragons", 10)
