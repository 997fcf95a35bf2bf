"""The dataset for torch whose items are augmented."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from unit.client.fakes.augmentation import POLICY

from synthmill.client import AugmentedDataset
from synthmill.runtime.errors import InvalidField, NotFound

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
ITEMS = [{"image": image, "label": number % 3} for number, image in enumerate(IMAGES)]
LOCAL = {"steps": [{"op": "rotate", "degrees": [-20, 20]}]}


def images_of(items) -> list[bytes]:
    return [item["image"].tobytes() for item in items]


def test_items_are_augmented_over_the_wire(client, services):
    dataset = AugmentedDataset(ITEMS, POLICY, client=client, seed=3)
    assert len(dataset) == 20
    item = dataset[4]
    assert np.array_equal(item["image"], 255 - IMAGES[4])
    assert item["label"] == 1
    dataset.set_epoch(2)
    dataset.__getitems__([1, -1])
    assert [record.index for record in services.augmentation.requests[-1].records] == [41, 59]


def test_items_are_augmented_in_this_process_each_by_itself():
    dataset = AugmentedDataset(ITEMS, LOCAL, seed=3)
    together = dataset.__getitems__(range(20))
    assert images_of(together) == images_of(dataset[position] for position in range(20))
    assert images_of(pickle.loads(pickle.dumps(dataset)).__getitems__([5])) == images_of([together[5]])
    dataset.set_epoch(1)
    assert images_of(dataset.__getitems__(range(20))) != images_of(together)
    # What was given is left as it was, and what comes may be written to.
    dataset[0]["image"][:] = 0
    assert np.array_equal(ITEMS[0]["image"], IMAGES[0])


def test_saved_policy_stays_the_version_that_it_was_when_the_dataset_was_made(client, services):
    client.augmentation.save_policy("pets", POLICY)
    dataset = AugmentedDataset(ITEMS, "policies/pets", client=client)
    client.augmentation.save_policy("pets", "light")
    dataset[0]
    assert services.augmentation.requests[-1].spec.policy_name == "policies/pets/versions/1"
    with pytest.raises(NotFound, match="policies/birds"):
        AugmentedDataset(ITEMS, "policies/birds", client=client)


def test_saved_policy_serves_in_this_process_too(client):
    saved = client.augmentation.save_policy("turns", LOCAL)
    dataset = AugmentedDataset(ITEMS, client.catalog.get_policy("turns"), seed=3)
    wanted = AugmentedDataset(ITEMS, LOCAL, seed=3)
    assert images_of(dataset.__getitems__(range(20))) == images_of(wanted.__getitems__(range(20)))
    assert images_of(pickle.loads(pickle.dumps(dataset)).__getitems__([5])) == images_of(wanted.__getitems__([5]))
    with pytest.raises(InvalidField, match=r"client\.catalog\.get_policy"):
        AugmentedDataset(ITEMS, saved.name)


def test_transform_makes_the_item():
    dataset = AugmentedDataset(ITEMS, "light", transform=lambda item: item["image"].shape)
    assert dataset[0] == (8, 8, 1)


def test_what_is_not_there_is_refused():
    dataset = AugmentedDataset(ITEMS, LOCAL)
    with pytest.raises(IndexError):
        dataset[20]
    with pytest.raises(NotFound, match="heavy"):
        AugmentedDataset(ITEMS, "heavy")
    with pytest.raises(InvalidField, match="pool"):
        AugmentedDataset(ITEMS, LOCAL, pool="datasets/pets")
    with pytest.raises(InvalidField, match="epoch"):
        dataset.set_epoch(-1)


def test_without_opencv_the_extra_is_named():
    code = """
import sys
sys.modules["cv2"] = None
from synthmill.client import AugmentedDataset
try:
    AugmentedDataset([], "light")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("FailedPrecondition")
    assert "synthmill[augmentation]" in done.stdout
