"""Policies that are saved once and used by name, over real services."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthmill.client import AugmentedDataset, Client
from synthmill.runtime.errors import InvalidField, NotFound

POLICY = {
    "border": "reflect",
    "steps": [
        {"op": "rotate", "degrees": [-20, 20]},
        {"some_of": [{"op": "brightness"}, {"op": "gaussian_blur"}, {"op": "elastic"}], "count": [1, 2]},
    ],
}
OTHER = {"steps": [{"op": "invert"}]}
SEED = 7


@pytest.fixture(scope="module")
def images(client, dataset) -> np.ndarray:
    """Some training records of the digits."""
    [batch] = client.catalog.read_records(dataset, count=60)
    return batch["image"]


@pytest.fixture(scope="module")
def saved(client) -> str:
    """The name of a saved policy that is not the newest of its name."""
    name = client.augmentation.save_policy("turns", POLICY).name
    client.augmentation.save_policy("turns", OTHER)
    return name


def lineage_file(client: Client, dataset: str) -> dict[str, object]:
    version = client.catalog.get_dataset(dataset)
    [file] = [artifact for artifact in version.artifacts if artifact.name == "lineage.json"]
    return json.loads(b"".join(client.catalog.read_artifact(version.name, file)))


def test_name_means_the_same_bytes_as_the_policy_itself(client, images, saved):
    wanted = client.augmentation.augment(images, POLICY, seed=SEED)
    assert np.array_equal(client.augmentation.augment(images, saved, seed=SEED), wanted)
    records = ({"image": image} for image in images)
    streamed = [result["image"] for result in client.augmentation.iter_augmented(records, saved, seed=SEED)]
    assert np.array_equal(np.stack(streamed), wanted)
    items = [{"image": image} for image in images]
    for dataset in (
        AugmentedDataset(items, saved, client=client, seed=SEED),
        AugmentedDataset(items, client.catalog.get_policy(saved), seed=SEED),
    ):
        assert np.array_equal(np.stack([item["image"] for item in dataset.__getitems__(range(len(items)))]), wanted)


def test_new_version_changes_what_the_name_means_and_no_version(client, images):
    first = client.augmentation.save_policy("changing", POLICY)
    assert client.augmentation.save_policy("changing", first).name == first.name
    before = client.augmentation.augment(images, "policies/changing", seed=SEED)
    second = client.augmentation.save_policy("changing", OTHER)
    assert (first.name, second.name) == ("policies/changing/versions/1", "policies/changing/versions/2")
    assert np.array_equal(client.augmentation.augment(images, "policies/changing", seed=SEED), 255 - images)
    assert np.array_equal(client.augmentation.augment(images, first.name, seed=SEED), before)
    assert [version.name for version in client.catalog.list_policies("changing")] == [second.name, first.name]
    client.catalog.delete_policy(second.name)
    assert client.catalog.get_policy("changing") == first


def test_dataset_made_by_name_tells_the_version(client, dataset, saved):
    create = client.augmentation.create_augmentation_job
    given = client.catalog.get_policy(saved)
    by_name, newest, by_policy = (
        create(dataset, policy, name="by-name", seed=SEED) for policy in (saved, "policies/turns", POLICY)
    )
    assert by_name.parameters["policy_name"] == saved
    assert newest.parameters["policy_name"] == "policies/turns/versions/2"
    assert by_policy.parameters["policy_name"] == ""
    named, _, brought = (client.jobs.wait(job.name).result for job in (by_name, newest, by_policy))
    assert client.catalog.get_dataset(named).digest == client.catalog.get_dataset(brought).digest
    assert lineage_file(client, named)["policy_name"] == saved
    originals = client.catalog.get_dataset(dataset).splits[0].record_count
    lineage = client.augmentation.get_lineage(named, originals)
    assert (lineage.policy_name, lineage.policy_digest, lineage.policy) == (saved, given.digest, given.policy)
    assert client.augmentation.get_lineage(brought, originals).policy_name == ""
    assert client.augmentation.get_lineage(named, 0).policy_name == ""


def test_policy_that_is_not_there_is_told_by_name(client, dataset, images):
    for ask, field in (
        (lambda name: client.augmentation.augment(images, name), "spec.policy_name"),
        (lambda name: client.augmentation.create_augmentation_job(dataset, name), "policy_name"),
        (lambda name: client.catalog.get_policy(name), "name"),
    ):
        with pytest.raises(NotFound, match="there is no policies/nobody-has-this/versions/4") as refusal:
            ask("policies/nobody-has-this/versions/4")
        assert refusal.value.metadata["field"] == field


def test_policy_that_is_not_allowed_is_told_by_its_path_and_not_saved(client):
    with pytest.raises(InvalidField) as refusal:
        client.augmentation.save_policy("wrong", {"steps": [{"op": "grey"}, {"repeat": [{"op": "rotat"}]}]})
    assert refusal.value.metadata["field"] == "policy.steps[1].repeat[0].op"
    assert list(client.catalog.list_policies("wrong")) == []
