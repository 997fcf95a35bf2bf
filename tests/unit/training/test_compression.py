"""A request for compression is resolved, or refused with what is wrong."""

from __future__ import annotations

import pytest

from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.structs import to_struct
from synthmill.training.compression import check_fits, judged_split, make_spec
from synthmill.v1 import artifact_pb2, dataset_pb2, model_pb2

LABELS = ["cat", "dog"]


def model(*files: str, labels: list[str] = LABELS, kind: str = "image") -> model_pb2.Model:
    artifacts = [artifact_pb2.Artifact(name=name) for name in files]
    return model_pb2.Model(name="models/pets/versions/2", kind=kind, labels=labels, artifacts=artifacts)


def dataset(**counts: int) -> dataset_pb2.Dataset:
    files = [f"{split}.{column}.npy" for split in counts for column in ("image", "label")]
    return dataset_pb2.Dataset(
        name="datasets/pets/versions/1",
        kind="image",
        labels=LABELS,
        schema=to_struct({"height": 8, "width": 8, "channels": 1}),
        splits=[dataset_pb2.Split(name=name, record_count=count) for name, count in counts.items()],
        artifacts=[artifact_pb2.Artifact(name=name) for name in files],
    )


def test_a_request_is_resolved_in_full():
    spec = make_spec(model("weights.safetensors"), ["int8", "prune"], {"probe_seeds": "4"}, 0.0, None, 2**63)
    assert (spec.model, spec.methods, spec.seed) == ("models/pets/versions/2", ["prune", "int8"], str(2**63))
    assert (spec.dataset, spec.split, spec.max_loss) == ("", "", 0.0)
    assert (spec.parameters["probe_seeds"], spec.parameters["prune_share"]) == (4, 0.25)


@pytest.mark.parametrize(
    ("counts", "split"),
    [
        ({"train": 9, "test": 3, "validation": 3}, "test"),
        ({"train": 9, "test": 0, "validation": 3}, "validation"),
        ({"train": 9, "validation": 3}, "validation"),
        ({"train": 9}, ""),
    ],
)
def test_the_judge_takes_records_that_were_not_learned_from(counts, split):
    found = dataset(**counts)
    assert judged_split(found) == split
    if split:
        check_fits(model(), found)
        assert make_spec(model(), [], {}, 0.5, found, 0).split == split


@pytest.mark.parametrize(
    ("given", "records", "problem"),
    [
        (model(labels=[]), {"train": 9, "test": 3}, "has no classes"),
        (model(labels=["dog", "cat"]), {"train": 9, "test": 3}, "same classes in the same order"),
        (model(kind="tensor"), {"train": 9, "test": 3}, "of the kind tensor"),
        (model(), {"test": 3}, "no records in the split 'train'"),
        (model(), {"train": 9}, "no records to test on"),
    ],
    ids=["no-classes", "other-order", "other-kind", "no-train", "no-test"],
)
def test_a_dataset_that_says_nothing_of_a_model_is_refused(given, records, problem):
    with pytest.raises(FailedPrecondition, match=problem):
        check_fits(given, dataset(**records))


@pytest.mark.parametrize("bound", [-0.1, float("inf"), float("nan")])
def test_a_bound_that_is_none_is_refused(bound):
    with pytest.raises(InvalidField, match="max_loss"):
        make_spec(model(), [], {}, bound, None, 0)


def test_pruning_needs_weights():
    with pytest.raises(FailedPrecondition, match="cannot be pruned"):
        make_spec(model(), ["prune"], {}, 0.5, None, 0)
