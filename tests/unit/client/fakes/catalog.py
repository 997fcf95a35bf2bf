"""A catalog with one model, and the datasets and policies that it is given, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
from google.protobuf import empty_pb2
from unit.client.fakes.evaluation import PASSED, REFUSED, REPORT_FILES, make_evaluation
from unit.client.fakes.faults import Faults, faulty
from unit.client.fakes.jobs import FakeJobs
from unit.client.fakes.model import FILES, LABELS, MODEL, SHAPE, make_artifact, make_model

from synthmill.runtime.errors import DataLoss, NotFound, PermissionDenied, Unavailable
from synthmill.runtime.structs import to_struct
from synthmill.runtime.tensors import to_batch
from synthmill.v1 import (
    artifact_pb2,
    catalog_service_pb2_grpc,
    dataset_pb2,
    evaluation_pb2,
    job_pb2,
    model_pb2,
    policy_pb2,
)
from synthmill.v1 import catalog_service_pb2 as pb

CHUNK_BYTES = 1 << 20
CHUNK_RECORDS = 9
RECORDS = 50
DATASET_FILES = {"train.parquet": b"not really parquet", "train.image.npy": b"not really an array"}


class FakeCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """A catalog.

    Args:
        jobs: where its jobs are.

    Attributes:
        uploads: (file name, bytes) of every upload that has arrived whole.
        broken_uploads: how many further uploads break at their end.
        faults: how streams break.
        damaged: whether files come with another byte in them.
    """

    def __init__(self, jobs: FakeJobs) -> None:
        self._jobs = jobs
        self.datasets = {f"datasets/pets/versions/{n}": make_dataset(n) for n in (1, 2, 3)}
        self.policies: dict[str, policy_pb2.PolicyVersion] = {}
        self.requests: list[Any] = []
        self.uploads: list[tuple[str, bytes]] = []
        self.broken_uploads = 0
        self.faults = Faults()
        self.damaged = False
        self.deleted: list[str] = []

    async def ImportDataset(self, request: pb.ImportDatasetRequest, context: Any) -> job_pb2.Job:
        self.requests.append(request)
        if request.source_uri.startswith("/forbidden"):
            raise PermissionDenied("source_uri: outside the allowed roots", field="source_uri", allowed="a path inside")
        return self._jobs.succeed("datasets/pets/versions/3", request.request_id, type="import-dataset")

    async def UploadDataset(self, requests: AsyncIterator[pb.UploadDatasetRequest], context: Any) -> job_pb2.Job:
        header, data = await self._receive(requests)
        self.requests.append(header)
        self.uploads.append((header.file_name, data))
        return self._jobs.succeed("datasets/pets/versions/3", header.request_id, type="import-dataset")

    async def ImportModel(self, requests: AsyncIterator[pb.ImportModelRequest], context: Any) -> job_pb2.Job:
        header, data = await self._receive(requests)
        self.requests.append(header)
        self.uploads.append((header.model, data))
        return self._jobs.succeed(f"{MODEL}/versions/1", header.request_id, type="import-model")

    async def GetDataset(self, request: pb.GetDatasetRequest, context: Any) -> dataset_pb2.Dataset:
        name = request.name if "/versions/" in request.name else f"{request.name}/versions/{len(self.datasets)}"
        if name not in self.datasets:
            raise NotFound(f"there is no {request.name}", field="name", value=request.name)
        return self.datasets[name]

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: Any) -> pb.ListDatasetsResponse:
        found = [item for name, item in reversed(self.datasets.items()) if name.startswith(request.dataset)]
        start = int(request.page_token or 0)
        token = str(start + 2) if start + 2 < len(found) else ""
        return pb.ListDatasetsResponse(datasets=found[start : start + 2], next_page_token=token)

    async def ListImportIssues(self, request: pb.ListImportIssuesRequest, context: Any) -> pb.ListImportIssuesResponse:
        reason = dataset_pb2.IMPORT_ISSUE_REASON_CORRUPT
        issue = dataset_pb2.ImportIssue(source="cat/7.png", reason=reason, detail="cut off", dropped=True)
        return pb.ListImportIssuesResponse(issues=[issue])

    async def ReadRecords(self, request: pb.ReadRecordsRequest, context: Any) -> AsyncIterator[pb.ReadRecordsResponse]:
        end = request.start_index + request.count if request.count else RECORDS
        async for answer in faulty(_records(request.start_index, end), self.faults):
            yield answer

    async def DeleteDataset(self, request: pb.DeleteDatasetRequest, context: Any) -> empty_pb2.Empty:
        self.deleted.append(request.name)
        return empty_pb2.Empty()

    async def GetModel(self, request: pb.GetModelRequest, context: Any) -> model_pb2.Model:
        if not request.name.startswith(MODEL):
            raise NotFound(f"there is no {request.name}", field="name", value=request.name)
        return make_model(1)

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[make_model(1)])

    async def PromoteModel(self, request: pb.PromoteModelRequest, context: Any) -> model_pb2.Model:
        self.requests.append(request)
        model = make_model(1)
        model.promoted = True
        model.promotion.evaluation, model.promotion.override_reason = PASSED, request.override_reason
        return model

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Any) -> empty_pb2.Empty:
        self.deleted.append(request.name)
        return empty_pb2.Empty()

    async def PublishPolicy(self, request: pb.PublishPolicyRequest, context: Any) -> policy_pb2.PolicyVersion:
        number = 1 + sum(name.startswith(f"policies/{request.policy}/") for name in self.policies)
        name = f"policies/{request.policy}/versions/{number}"
        version = policy_pb2.PolicyVersion(name=name, create_time={"seconds": len(self.policies)})
        version.MergeFrom(request.version)
        self.policies[name] = version
        return version

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> policy_pb2.PolicyVersion:
        return self.find_policy(request.name)

    async def ListPolicies(self, request: pb.ListPoliciesRequest, context: Any) -> pb.ListPoliciesResponse:
        found = [item for name, item in reversed(self.policies.items()) if name.startswith(request.policy)]
        return pb.ListPoliciesResponse(policies=found)

    async def DeletePolicy(self, request: pb.DeletePolicyRequest, context: Any) -> empty_pb2.Empty:
        del self.policies[request.name]
        return empty_pb2.Empty()

    def find_policy(self, name: str) -> policy_pb2.PolicyVersion:
        """Returns a policy version; without a number, the newest."""
        found = [item for known, item in self.policies.items() if name in (known, known.rpartition("/versions/")[0])]
        if not found:
            raise NotFound(f"there is no {name}", field="name", value=name)
        return found[-1]

    async def GetEvaluation(self, request: pb.GetEvaluationRequest, context: Any) -> evaluation_pb2.Evaluation:
        if request.name not in (PASSED, REFUSED):
            raise NotFound(f"there is no {request.name}", field="name", value=request.name)
        return make_evaluation(request.name)

    async def ListEvaluations(self, request: pb.ListEvaluationsRequest, context: Any) -> pb.ListEvaluationsResponse:
        found = [make_evaluation(name) for name in (PASSED, REFUSED)]
        shown = [item for item in found if item.subject.startswith(request.subject)]
        return pb.ListEvaluationsResponse(evaluations=shown)

    async def ReadArtifact(
        self, request: pb.ReadArtifactRequest, context: Any
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        data = {**FILES, **DATASET_FILES, **REPORT_FILES}[request.artifact]
        if self.damaged:
            data = bytes([data[0] ^ 1]) + data[1:]
        async for chunk in faulty(_pieces(data, request.offset), self.faults):
            yield chunk

    async def _receive(self, requests: AsyncIterator[Any]) -> tuple[Any, bytes]:
        parts = [request async for request in requests]
        if self.broken_uploads:
            self.broken_uploads -= 1
            raise Unavailable("the fake breaks")
        header, data = parts[0].header, b"".join(part.data for part in parts[1:])
        if header.sha256 != hashlib.sha256(data).hexdigest():
            raise DataLoss("the digest differs")
        return header, data


def record_columns(start: int, end: int) -> dict[str, np.ndarray]:
    """Returns the records of the fake datasets."""
    index = np.arange(start, end)
    pixels = np.broadcast_to(index.astype(np.uint8)[:, None, None, None], (len(index), *SHAPE))
    return {"image": pixels, "label": index % len(LABELS)}


def make_dataset(version: int) -> dataset_pb2.Dataset:
    """Makes a version of the dataset "pets"."""
    return dataset_pb2.Dataset(
        name=f"datasets/pets/versions/{version}",
        kind="image",
        labels=LABELS,
        splits=[dataset_pb2.Split(name="train", record_count=RECORDS, class_counts=[17, 17, 16])],
        record_count=RECORDS,
        schema=to_struct({"height": 6, "width": 5, "channels": 1}),
        report=dataset_pb2.ImportReport(
            seen_count=51, kept_count=RECORDS, dropped_count=1, issue_counts={"CORRUPT": 1}
        ),
        artifacts=[make_artifact(name, data) for name, data in DATASET_FILES.items()],
        digest="d" * 64,
    )


def _records(start: int, end: int) -> Iterator[pb.ReadRecordsResponse]:
    for first in range(start, end, CHUNK_RECORDS):
        stop = min(first + CHUNK_RECORDS, end)
        batch = to_batch(record_columns(first, stop))
        yield pb.ReadRecordsResponse(first_index=first, count=stop - first, batch=batch)


def _pieces(data: bytes, offset: int) -> Iterator[artifact_pb2.ArtifactChunk]:
    for start in range(offset, len(data), CHUNK_BYTES):
        yield artifact_pb2.ArtifactChunk(offset=start, data=data[start : start + CHUNK_BYTES])
