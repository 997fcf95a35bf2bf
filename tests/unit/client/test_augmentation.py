"""Augmentation through the SDK."""

from __future__ import annotations

import itertools
import uuid

import numpy as np
import pytest
from unit.client.fakes.augmentation import PICTURE, POLICY, POOL
from unit.client.fakes.faults import BREAK, END_EARLY

from synthmill.client.policies import policy_fields
from synthmill.kinds.policy_messages import to_mapping
from synthmill.runtime.errors import InvalidField, NotFound, Unavailable

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (600, 4, 5, 3), np.uint8)


def test_images_come_back_in_the_form_in_which_they_went(client):
    whole = client.augmentation.augment(IMAGES[:3], "light")
    assert np.array_equal(whole, 255 - IMAGES[:3])
    listed = client.augmentation.augment([IMAGES[0], IMAGES[1, :2]], POLICY)
    assert [image.shape for image in listed] == [(4, 5, 3), (2, 5, 3)]
    assert client.augmentation.augment(IMAGES[:0], "light").shape == (0, 4, 5, 3)
    assert client.augmentation.augment([], "light") == []


def test_targets_come_back_beside_the_images(client):
    found = client.augmentation.augment(IMAGES[:2], "light", boxes=[[[0, 0, 2, 2]], [[1, 1, 3, 3]]])
    assert set(found) == {"image", "boxes"}
    assert found["boxes"][1].tolist() == [[1, 1, 3, 3]]
    found = client.augmentation.augment(IMAGES[:1], "light", boxes=[[[1, 0, 2, 3]]], box_format="coco")
    assert found["boxes"][0].tolist() == [[1, 0, 2, 3]]
    with pytest.raises(InvalidField, match="box_format: got 'pascal', allowed: one of voc, coco, yolo"):
        client.augmentation.augment(IMAGES[:1], "light", boxes=[[[1, 0, 2, 3]]], box_format="pascal")
    with pytest.raises(InvalidField, match="boxes: got '1 of them'"):
        client.augmentation.augment(IMAGES[:2], "light", boxes=[[[0, 0, 2, 2]]])


def test_request_says_what_it_is_told(client, services):
    records = [{"image": image} for image in IMAGES[:3]]
    how = {"seed": 1 << 63, "pool": "pets", "class_count": 3}
    results = client.augmentation.augment_records(records, "light", indices=[7, 3, 5], **how)
    assert [result.index for result in results] == [7, 3, 5]
    [request] = services.augmentation.requests
    spec = request.spec
    assert (spec.seed, spec.pool, spec.class_count, spec.ready_made) == (1 << 63, "datasets/pets", 3, "light")
    client.augmentation.augment(IMAGES[:2], "light", start_index=9)
    assert [record.index for record in services.augmentation.requests[1].records] == [9, 10]
    with pytest.raises(InvalidField, match="indices"):
        client.augmentation.augment_records(records, "light", indices=[1])


def test_many_records_are_streamed(client, services):
    many = np.broadcast_to(IMAGES[0], (1500, 4, 5, 3))
    assert client.augmentation.augment(many, "light").shape == many.shape
    assert services.augmentation.requests == []
    assert [index for each in services.augmentation.streams[0].indices for index in each] == list(range(1500))


def test_record_that_cannot_be_augmented_is_told_by_its_index(client):
    records = [{"image": IMAGES[0]}, {"image": IMAGES[0, :1, :1, :1]}, {"image": IMAGES[2]}]
    with pytest.raises(InvalidField, match="record 11: image: too small") as refusal:
        client.augmentation.augment_records(records, "light", start_index=10)
    assert refusal.value.metadata == {"field": "image", "index": "11"}
    results = client.augmentation.augment_records(records, "light", return_errors=True)
    assert [type(result.error) for result in results] == [type(None), InvalidField, type(None)]
    streamed = client.augmentation.iter_augmented(records, "light", return_errors=True)
    assert [result.error is None for result in streamed] == [True, False, True]


@pytest.mark.parametrize("fault", [BREAK, END_EARLY])
def test_broken_stream_is_taken_up_with_nothing_missing_and_nothing_twice(client, services, fault):
    services.augmentation.faults.plan = [(3, fault), (0, fault), (1, fault)]
    records = ({"image": image} for image in IMAGES)
    found = list(client.augmentation.iter_augmented(records, "light", pool="pets", start_index=5))
    assert [result.index for result in found] == list(range(5, 605))
    assert np.array_equal(np.stack([result["image"] for result in found]), 255 - IMAGES)
    streams = services.augmentation.streams
    assert len(streams) == 4
    # What is mixed with is the version that the first try had.
    assert [stream.spec.pool for stream in streams] == ["datasets/pets", POOL, POOL, POOL]
    # A try begins with the first record without an answer.
    assert streams[1].indices[0][0] == streams[2].indices[0][0] > 5


async def test_broken_stream_is_taken_up_for_asyncio_too(async_client, services):
    services.augmentation.faults.plan = [(3, BREAK), (1, END_EARLY)]
    records = ({"image": image} for image in IMAGES)
    found = [result.index async for result in async_client.augmentation.iter_augmented(records, "light")]
    assert found == list(range(600))


def test_stream_by_name_goes_on_with_the_version_that_it_began_with(client, services):
    client.augmentation.save_policy("pets", POLICY)
    services.augmentation.faults.plan = [(2, BREAK)]
    found = client.augmentation.iter_augmented(({"image": image} for image in IMAGES), "policies/pets")
    next(found)
    client.augmentation.save_policy("pets", "light")
    assert len(list(found)) == 599
    named = [stream.spec.policy_name for stream in services.augmentation.streams]
    assert named == ["policies/pets", "policies/pets/versions/1"]


def test_stream_that_brings_nothing_new_is_given_up(client, services):
    services.augmentation.faults.plan = [(0, BREAK)] * 10
    with pytest.raises(Unavailable, match="the fake breaks"):
        list(client.augmentation.iter_augmented([{"image": IMAGES[0]}], "light"))
    assert services.augmentation.faults.opened == 4


def test_stream_that_is_left_is_cancelled_and_its_source_needs_no_end(client):
    records = ({"image": IMAGES[number % 600]} for number in itertools.count())
    results = client.augmentation.iter_augmented(records, "light")
    assert [result.index for result in itertools.islice(results, 5)] == [0, 1, 2, 3, 4]
    results.close()


def test_error_of_the_source_is_raised(client):
    def records():
        yield {"image": IMAGES[0]}
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        list(client.augmentation.iter_augmented(records(), "light"))


def test_policy_is_a_mapping_a_file_or_a_name(client, tmp_path):
    (tmp_path / "policy.yaml").write_text("border: reflect\nsteps:\n  - {op: flip, probability: 0.5}\n")
    for policy in (POLICY, tmp_path / "policy.yaml", str(tmp_path / "policy.yaml"), "light"):
        assert to_mapping(client.augmentation.resolve_policy(policy).policy) == POLICY
    assert policy_fields(policy_fields(POLICY)["policy"]) == policy_fields(POLICY)


def test_saved_policy_is_used_by_name_or_as_the_catalog_returned_it(client, services):
    first = client.augmentation.save_policy("pets", POLICY)
    second = client.augmentation.save_policy("policies/pets", "light", kind="image")
    assert [first.name, second.name] == ["policies/pets/versions/1", "policies/pets/versions/2"]
    for policy, version in ((first, 1), ("policies/pets", 2), ("policies/pets/versions/1", 1)):
        resolved = client.augmentation.resolve_policy(policy)
        assert resolved.policy_name == f"policies/pets/versions/{version}"
        client.augmentation.augment(IMAGES[:1], policy)
        client.augmentation.create_augmentation_job("pets", policy)
    given = ["policies/pets/versions/1", "policies/pets", "policies/pets/versions/1"]
    augmented, jobs = services.augmentation.requests[::2], services.augmentation.requests[1::2]
    assert [request.spec.policy_name for request in augmented] == given
    assert [request.policy_name for request in jobs] == given
    with pytest.raises(NotFound, match="policies/birds"):
        client.augmentation.augment(IMAGES[:1], "policies/birds")
    with pytest.raises(InvalidField, match=r"policy\.steps\[0\]\.op"):
        client.augmentation.save_policy("pets", {"steps": [{"op": "flop"}]})


def test_file_in_a_folder_of_that_name_is_no_saved_policy(client, tmp_path, monkeypatch):
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/pets.yaml").write_text("steps: []")
    monkeypatch.chdir(tmp_path)
    assert set(policy_fields("policies/pets.yaml")) == {"policy"}


def test_bad_policy_is_named_by_its_path(client, tmp_path):
    with pytest.raises(InvalidField, match=r"policy\.steps\[0\]\.op"):
        client.augmentation.resolve_policy({"steps": [{"op": "flop"}]})
    with pytest.raises(NotFound):
        client.augmentation.augment(IMAGES[:1], "heavy")
    with pytest.raises(InvalidField, match="a readable YAML file"):
        client.augmentation.augment(IMAGES[:1], tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("steps: [")
    with pytest.raises(InvalidField, match="a readable YAML file"):
        client.augmentation.augment(IMAGES[:1], tmp_path / "broken.yaml")


def test_operations_policies_and_previews_are_had(client):
    assert [operation.name for operation in client.augmentation.list_operations()] == ["flip"]
    assert [policy.name for policy in client.augmentation.list_ready_made_policies()] == ["light"]
    assert client.augmentation.preview({"image": IMAGES[0]}, "light", count=3) == PICTURE


def test_augmentation_job_is_created_once_per_request_id(client, services):
    request_id = str(uuid.uuid4())
    create = client.augmentation.create_augmentation_job
    jobs = [create("pets", POLICY, balance=True, request_id=request_id) for _ in range(3)]
    assert len({job.name for job in jobs}) == 1
    assert client.jobs.wait(jobs[0].name).result == "datasets/pets-augmented/versions/1"
    request = services.augmentation.requests[0]
    assert (request.dataset, request.balance, request.copies) == ("datasets/pets", True, 0)
    assert to_mapping(request.policy) == POLICY


def test_lineage_is_told(client):
    found = client.augmentation.get_lineage("pets-augmented/versions/1", 12)
    assert (found.source_record, found.seed) == (12, 7)
