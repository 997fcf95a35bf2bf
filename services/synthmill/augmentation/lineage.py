"""Where the records of an augmented dataset come from: written with it, and read back."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any, Self

import grpc.aio
import numpy as np

from synthmill.augmentation.planning import Plan
from synthmill.augmentation.pools import SPLIT, Pools, count_records
from synthmill.augmentation.request import JobSpec
from synthmill.kinds.dataset_files import NPY, WrittenFile
from synthmill.kinds.policies.tree import Traced
from synthmill.kinds.policy_messages import to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.arrays import open_array
from synthmill.runtime.errors import FailedPrecondition, OutOfRange
from synthmill.runtime.names import DATASETS, parse_version
from synthmill.runtime.store import Artifact, ObjectStore
from synthmill.runtime.structs import to_struct
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2, catalog_service_pb2_grpc, dataset_pb2

HEADER = "lineage.json"
ROWS = "lineage.npy"

_DEADLINE_S = 10.0


@dataclasses.dataclass(frozen=True)
class Lineage:
    """What all results of an augmented dataset have in common.

    Attributes:
        source: dataset version that they were made of.
        source_digest: of its records.
        kind: of the records.
        policy: with every default written out.
        policy_digest: of the policy.
        seed: in decimal digits, as JSON's numbers end at 2^53.
        originals: real records that the split "train" begins with, in their order.
        policy_name: policy version in the catalog; empty if the job was not asked for by its name.
    """

    source: str
    source_digest: str
    kind: str
    policy: dict[str, Any]
    policy_digest: str
    seed: str
    originals: int
    policy_name: str = ""

    @classmethod
    def of(cls, dataset: dataset_pb2.Dataset, spec: JobSpec) -> Self:
        """Returns the lineage of what a job makes of a dataset."""
        return cls(
            source=dataset.name,
            source_digest=dataset.digest,
            kind=dataset.kind,
            policy=spec.policy,
            policy_digest=spec.policy_digest,
            seed=spec.seed,
            originals=0 if spec.without_originals else count_records(dataset),
            policy_name=spec.policy_name,
        )

    def write(self, plan: Plan, folder: Path) -> list[WrittenFile]:
        """Writes the lineage of a dataset: this, and source and index of each result as int64 (N, 2)."""
        (folder / HEADER).write_text(json.dumps(dataclasses.asdict(self), indent=2))
        np.save(folder / ROWS, np.stack([plan.sources, plan.indices], axis=1))
        return [WrittenFile(folder / HEADER, "application/json"), WrittenFile(folder / ROWS, NPY)]

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Inverse of `write`, of its first file."""
        return cls(**json.loads(data))


class Lineages:
    """Tells where records come from.

    Args:
        catalog: channel to the catalog service.
        store: the object store.
        pools: opens the datasets that records were made of.
    """

    def __init__(self, catalog: grpc.aio.Channel, store: ObjectStore, pools: Pools) -> None:
        self._catalog = catalog_service_pb2_grpc.CatalogServiceStub(catalog)
        self._store, self._pools = store, pools

    async def get(self, request: pb.GetLineageRequest) -> pb.GetLineageResponse:
        """Answers GetLineage.

        Raises:
            InvalidField: this is no name of a dataset version.
            NotFound: there is no such version, or none any more that it was made of.
            OutOfRange: there is no such record.
            FailedPrecondition: the dataset was not made by augmentation.
            DataLoss: a file is missing or damaged.
        """
        parse_version(DATASETS, "dataset", request.dataset)
        ask = catalog_service_pb2.GetDatasetRequest(name=request.dataset)
        dataset = await self._catalog.GetDataset(ask, timeout=_DEADLINE_S)
        count = count_records(dataset)
        artifacts = {artifact.name: Artifact.from_proto(artifact) for artifact in dataset.artifacts}
        if not artifacts.keys() >= {HEADER, ROWS}:
            raise FailedPrecondition(f"dataset: {dataset.name} was not made by augmentation", field="dataset")
        if not 0 <= request.record < count:
            raise OutOfRange("record", request.record, f"0 to {count - 1}, the records of the split {SPLIT}")
        read = self._store.get_bytes
        lineage = Lineage.read(await asyncio.to_thread(read, artifacts[HEADER]))
        if request.record < lineage.originals:
            return pb.GetLineageResponse(source=lineage.source, source_record=request.record, is_original=True)
        place = request.record - lineage.originals
        source, index = await asyncio.to_thread(_read_row, self._store, artifacts[ROWS], place)
        operations = await self._trace(lineage, source, index)
        return pb.GetLineageResponse(
            source=lineage.source,
            source_record=source,
            index=index,
            seed=int(lineage.seed),
            policy_digest=lineage.policy_digest,
            operations=map(_to_applied, operations),
            policy=to_policy(lineage.policy),
            policy_name=lineage.policy_name,
        )

    async def _trace(self, lineage: Lineage, source: int, index: int) -> list[Traced]:
        pool = await self._pools.get(lineage.source, lineage.kind, "source")
        augmentation = get_kind(lineage.kind).augmentation()
        augmenter = augmentation.open(augmentation.policy(lineage.policy), pool)
        [traced] = await asyncio.to_thread(lambda: augmenter.trace([pool[source]], [index], int(lineage.seed)))
        return traced


def _read_row(store: ObjectStore, artifact: Artifact, place: int) -> tuple[int, int]:
    source, index = open_array(store.local_path(artifact))[place].tolist()
    return source, index


def _to_applied(traced: Traced) -> pb.AppliedOperation:
    return pb.AppliedOperation(path=traced.path, name=traced.operation, values=to_struct(traced.values))
