"""Synthmill in Python.

    with Client() as client:
        batch = client.sampling.sample("models/digits-gan", 16, seed=7)
        batch["image"]  # uint8 (16, 8, 8, 1)

`AsyncClient` is the same for asyncio. `SampleDataset` and `SampleStream` are datasets for torch; `SampleStream` alone
imports it, when it is first named.
"""

# Before all else that is ours, because gRPC reads the environment when it is imported.
from synthmill.client import forking  # noqa: F401, I001

from typing import TYPE_CHECKING, Any

from synthmill.client.augmentation import AsyncAugmentation, Augmentation, Augmented
from synthmill.client.augmented import AugmentedDataset
from synthmill.client.batches import Batch
from synthmill.client.bulk import WriteProgress
from synthmill.client.catalog import AsyncCatalog, Catalog, dataset_spec
from synthmill.client.clients import AsyncClient, Client
from synthmill.client.evaluation import AsyncEvaluation, Evaluation
from synthmill.client.executing import make_executor
from synthmill.client.filters import sample_filter
from synthmill.client.jobs import AsyncJobs, Jobs
from synthmill.client.labels import (
    balance,
    format_labels,
    label_counts,
    label_weights,
    one_label,
    parse_labels,
)
from synthmill.client.pipeline import AsyncPipeline, Pipeline
from synthmill.client.retrying import RetryPolicy
from synthmill.client.sampling import AsyncSampling, Sampling
from synthmill.client.settings import Settings
from synthmill.client.status import ServiceReport
from synthmill.client.training import AsyncTraining, Training
from synthmill.client.virtual import SampleDataset
from synthmill.runtime.credentials import Credentials

if TYPE_CHECKING:
    from synthmill.client.stream import SampleStream as SampleStream

# Without `SampleStream`, so that a star import needs no torch.
__all__ = [
    "AsyncAugmentation",
    "AsyncCatalog",
    "AsyncClient",
    "AsyncEvaluation",
    "AsyncJobs",
    "AsyncPipeline",
    "AsyncSampling",
    "AsyncTraining",
    "Augmentation",
    "Augmented",
    "AugmentedDataset",
    "Batch",
    "Catalog",
    "Client",
    "Credentials",
    "Evaluation",
    "Jobs",
    "Pipeline",
    "RetryPolicy",
    "SampleDataset",
    "Sampling",
    "ServiceReport",
    "Settings",
    "Training",
    "WriteProgress",
    "balance",
    "dataset_spec",
    "format_labels",
    "label_counts",
    "label_weights",
    "make_executor",
    "one_label",
    "parse_labels",
    "sample_filter",
]


def __getattr__(name: str) -> Any:
    if name == "SampleStream":
        from synthmill.client.stream import SampleStream

        return SampleStream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
