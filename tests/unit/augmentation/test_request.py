"""What a job is asked to augment."""

from __future__ import annotations

import dataclasses

import pytest

from synthmill.augmentation.policies import Checked
from synthmill.augmentation.request import Asked, JobSpec, make_spec
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.structs import to_struct
from synthmill.v1 import artifact_pb2, dataset_pb2

NOTHING = Asked(name="", copies=0, records_per_class=0, balance=False, without_originals=False, seed=1 << 63)


def dataset(counts=(5, 2, 9), labels=("cat", "dog", "fox"), arrays=("image", "label")) -> dataset_pb2.Dataset:
    split = dataset_pb2.Split(name="train", record_count=sum(counts), class_counts=counts if labels else [])
    return dataset_pb2.Dataset(
        name="datasets/pets/versions/3",
        kind="image",
        labels=labels,
        splits=[split] if sum(counts) else [],
        schema=to_struct({"height": 8, "width": 8, "channels": 1}),
        artifacts=[artifact_pb2.Artifact(name=f"train.{name}.npy") for name in arrays],
    )


def spec(asked: dict | None = None, policy=None, of=None, name="") -> JobSpec:
    kind = get_kind("image")
    parsed = kind.augmentation().policy(policy or {"steps": [{"op": "grey"}]})
    checked = Checked(kind, parsed, parsed.digest, name)
    return make_spec(of or dataset(), checked, dataclasses.replace(NOTHING, **(asked or {})))


def test_one_copy_is_what_nobody_has_to_ask_for():
    found = spec()
    assert (found.dataset, found.name) == ("datasets/pets/versions/3", "pets-augmented")
    assert (found.copies, found.records_per_class, found.result_count, found.seed) == (1, 0, 16, str(1 << 63))
    assert found.policy["steps"] == [{"op": "grey", "probability": 1.0}]


def test_policy_is_known_by_its_version_if_it_was_named():
    assert spec().policy_name == ""
    assert spec(name="policies/pets/versions/2").policy_name == "policies/pets/versions/2"
    # As it was written down before policies had names.
    old = dataclasses.asdict(spec())
    del old["policy_name"]
    assert JobSpec(**old) == spec()


@pytest.mark.parametrize(
    ("asked", "per_class", "count"),
    [
        ({"copies": 3}, 0, 48),
        ({"balance": True}, 9, 11),
        ({"balance": True, "without_originals": True}, 9, 27),
        ({"records_per_class": 6}, 6, 5),
        ({"records_per_class": 6, "without_originals": True}, 6, 18),
    ],
)
def test_results_are_counted_beforehand(asked, per_class, count):
    found = spec(asked)
    assert (found.records_per_class, found.result_count) == (per_class, count)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"copies": -1}, "copies"),
        ({"copies": 10_001}, "copies"),
        ({"records_per_class": -1}, "records_per_class"),
        ({"records_per_class": 50_000_000}, "records_per_class"),
        ({"copies": 2, "balance": True}, "balance"),
        ({"name": "No Name"}, "name"),
    ],
)
def test_what_is_not_allowed_is_refused(asked, field):
    with pytest.raises(InvalidField) as refusal:
        spec(asked)
    assert refusal.value.metadata["field"] == field


def test_what_a_dataset_does_not_allow_is_refused():
    with pytest.raises(FailedPrecondition, match="nothing to do"):
        spec({"records_per_class": 1})
    with pytest.raises(FailedPrecondition, match="no results can be made for dog"):
        spec({"balance": True}, of=dataset(counts=(5, 0, 9)))
    with pytest.raises(FailedPrecondition, match="has no labels"):
        spec({"balance": True}, of=dataset(labels=(), arrays=("image",)))
    with pytest.raises(FailedPrecondition, match="no records in the split"):
        spec(of=dataset(counts=(0, 0, 0)))
    with pytest.raises(FailedPrecondition, match=r"has no train\.label\.npy"):
        spec(of=dataset(arrays=("image",)))


def test_step_that_mixes_is_refused_where_records_have_one_class():
    policy = {"steps": [{"op": "grey"}, {"sequence": [{"op": "mixup"}], "probability": 0.1}]}
    with pytest.raises(FailedPrecondition, match=r"policy\.steps\[1\]\.sequence\[0\]: mixup") as refusal:
        spec(policy=policy)
    assert refusal.value.metadata["field"] == "policy.steps[1].sequence[0]"
    assert spec(policy=policy, of=dataset(labels=(), arrays=("image",))).result_count == 16
