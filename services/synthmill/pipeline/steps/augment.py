"""Step 2, augment: a dataset version with more records, classes of one size."""

from __future__ import annotations

from typing import Any

from synthmill.pipeline.run import Run
from synthmill.pipeline.splits import class_counts
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import dataset_pb2

SAVED = "policies/"


def augment(run: Run, dataset: dataset_pb2.Dataset, policy: str, *, required: bool = False) -> str:
    """Returns the dataset version in which every class is brought to the size of the largest by a policy.

    Where all classes have that size already, each record is augmented once.

    Args:
        dataset: with the real records.
        policy: name of it.
        required: as `Run.job` takes it.
    """
    balanced = len(set(class_counts(dataset).values())) == 1
    request = pb.CreateAugmentationJobRequest(
        dataset=dataset.name, balance=not balanced, seed=run.plan.seed, **policy_fields(policy)
    )
    key = f"augment by {policy}"
    return run.job(key, run.partners.augmentation, "CreateAugmentationJob", request, required=required).result


def policy_fields(policy: str) -> dict[str, Any]:
    """Returns the field of a request that a policy's name is; none if there is no policy."""
    if not policy:
        return {}
    return {"policy_name": policy} if policy.startswith(SAVED) else {"ready_made": policy}
