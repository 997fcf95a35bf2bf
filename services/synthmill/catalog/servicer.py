"""The catalog's gRPC methods: each converts, calls, converts."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import grpc
from google.protobuf import empty_pb2
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from synthmill.catalog import (
    answers,
    changing,
    convert,
    publishing,
    reading,
    uploading,
    verifying,
    verifying_datasets,
    verifying_evaluations,
    verifying_policies,
    wrapping,
)
from synthmill.catalog.config import CatalogConfig
from synthmill.catalog.importing import job as importing
from synthmill.catalog.roots import parse_roots, resolve_source
from synthmill.runtime.artifacts import send_artifact
from synthmill.runtime.database import writing
from synthmill.runtime.errors import InvalidField, Unavailable
from synthmill.runtime.jobs.engine import JobEngine
from synthmill.runtime.names import check_id, check_request_id
from synthmill.runtime.security.principals import take_rows
from synthmill.runtime.service import Drain
from synthmill.runtime.store import ObjectStore
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

T = TypeVar("T")
P = ParamSpec("P")
Context = grpc.aio.ServicerContext


class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Answers for datasets, models, policies and evaluations; everything that blocks runs in a thread.

    Args:
        inbox: folder for files that are being received.
    """

    def __init__(
        self, config: CatalogConfig, database: Engine, store: ObjectStore, jobs: JobEngine, inbox: Path, drain: Drain
    ) -> None:
        self._config = config
        self._database = database
        self._store = store
        self._jobs = jobs
        self._inbox = inbox
        self._drain = drain

    async def ImportDataset(self, request: pb.ImportDatasetRequest, context: Context) -> job_pb2.Job:
        spec = convert.to_spec(request.spec)
        source = resolve_source(request.source_uri, parse_roots(self._config.allowed_roots))
        parameters = {"spec": dataclasses.asdict(spec), "source_uri": str(source)}
        return await self._create_job(importing.TYPE, parameters, request.request_id)

    async def UploadDataset(self, requests: AsyncIterator[pb.UploadDatasetRequest], context: Context) -> job_pb2.Job:
        header = await _header(requests)
        spec = convert.to_spec(header.spec)
        file_name = uploading.check_file_name("file_name", header.file_name)
        limit_bytes = self._config.max_upload_bytes
        async with uploading.received_file(_pieces(requests), self._inbox, limit_bytes, header.sha256) as path:
            upload = await self._store_upload(path, file_name, header.request_id)
        parameters = {"spec": dataclasses.asdict(spec), "upload": upload}
        return await self._create_job(importing.TYPE, parameters, header.request_id)

    async def GetDataset(self, request: pb.GetDatasetRequest, context: Context) -> dataset_pb2.Dataset:
        return await self._read(answers.get_dataset, request)

    async def ListDatasets(self, request: pb.ListDatasetsRequest, context: Context) -> pb.ListDatasetsResponse:
        return await self._read(answers.list_datasets, request)

    async def ListImportIssues(
        self, request: pb.ListImportIssuesRequest, context: Context
    ) -> pb.ListImportIssuesResponse:
        return await self._read(answers.list_issues, request)

    async def ReadRecords(
        self, request: pb.ReadRecordsRequest, context: Context
    ) -> AsyncIterator[pb.ReadRecordsResponse]:
        limits = (request.start_index, request.count, request.chunk_bytes)
        plan = await self._read(reading.plan_records, request.name, request.split, *limits)
        reader = await asyncio.to_thread(reading.RecordReader, self._store, plan)
        for start in reader.starts():
            self._refuse_when_draining(next_index=start)
            chunk = await asyncio.to_thread(reader.chunk, start)
            count = len(next(iter(chunk.values())))
            take_rows(count)
            yield pb.ReadRecordsResponse(first_index=start, count=count, batch=to_batch(chunk))

    async def DeleteDataset(self, request: pb.DeleteDatasetRequest, context: Context) -> empty_pb2.Empty:
        await self._write(changing.delete_dataset, request.name)
        return empty_pb2.Empty()

    async def PublishDataset(self, request: pb.PublishDatasetRequest, context: Context) -> dataset_pb2.Dataset:
        dataset, request_id = check_id("dataset", request.dataset), check_request_id(request.request_id)
        draft = convert.to_dataset_draft(request.version)
        info = await asyncio.to_thread(verifying_datasets.verify_dataset, self._store, draft)
        row, digest = convert.to_dataset_row(request.version, info), convert.request_digest(request)
        add = publishing.publish_dataset
        stores = (self._database, self._store)
        name = await asyncio.to_thread(add, *stores, dataset, row, draft.artifacts, request_id, digest)
        return await self._read(answers.get_dataset, pb.GetDatasetRequest(name=name))

    async def PublishModel(self, request: pb.PublishModelRequest, context: Context) -> model_pb2.Model:
        model, request_id = check_id("model", request.model), check_request_id(request.request_id)
        draft = convert.to_draft(request.version)
        info = await asyncio.to_thread(verifying.verify_model, self._store, draft)
        row = convert.to_model_row(draft, info.columns, request_id, convert.request_digest(request))
        publish = publishing.publish_model
        name = await asyncio.to_thread(publish, self._database, self._store, model, row, draft.artifacts)
        return await self._read(answers.get_model, pb.GetModelRequest(name=name))

    async def ImportModel(self, requests: AsyncIterator[pb.ImportModelRequest], context: Context) -> job_pb2.Job:
        header = await _header(requests)
        wanted = convert.to_wrapping(header)
        limit_bytes = self._config.max_model_bytes
        async with uploading.received_file(_pieces(requests), self._inbox, limit_bytes, header.sha256) as path:
            upload = await self._store_upload(path, f"{header.model}.onnx", header.request_id)
        return await self._create_job(wrapping.TYPE, {**wanted, "upload": upload}, header.request_id)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> model_pb2.Model:
        return await self._read(answers.get_model, request)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        return await self._read(answers.list_models, request)

    async def PromoteModel(self, request: pb.PromoteModelRequest, context: Context) -> model_pb2.Model:
        await self._write(changing.promote_model, request.name, request.override_reason)
        return await self._read(answers.get_model, pb.GetModelRequest(name=request.name))

    async def DeleteModel(self, request: pb.DeleteModelRequest, context: Context) -> empty_pb2.Empty:
        await self._write(changing.delete_model, request.name)
        return empty_pb2.Empty()

    async def PublishPolicy(self, request: pb.PublishPolicyRequest, context: Context) -> policy_pb2.PolicyVersion:
        policy, row = check_id("policy", request.policy), verifying_policies.verify_policy(request.version)
        name = await self._write(publishing.publish_policy, policy, row)
        return await self._read(answers.get_policy, pb.GetPolicyRequest(name=name))

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Context) -> policy_pb2.PolicyVersion:
        return await self._read(answers.get_policy, request)

    async def ListPolicies(self, request: pb.ListPoliciesRequest, context: Context) -> pb.ListPoliciesResponse:
        return await self._read(answers.list_policies, request)

    async def DeletePolicy(self, request: pb.DeletePolicyRequest, context: Context) -> empty_pb2.Empty:
        await self._write(changing.delete_policy, request.name)
        return empty_pb2.Empty()

    async def PublishEvaluation(
        self, request: pb.PublishEvaluationRequest, context: Context
    ) -> evaluation_pb2.Evaluation:
        request_id = check_request_id(request.request_id)
        artifacts = await asyncio.to_thread(verifying_evaluations.verify_evaluation, self._store, request.evaluation)
        row = convert.to_evaluation_row(request.evaluation, request_id, convert.request_digest(request))
        name = await self._write(publishing.publish_evaluation, self._store, row, artifacts)
        return await self._read(answers.get_evaluation, pb.GetEvaluationRequest(name=name))

    async def GetEvaluation(self, request: pb.GetEvaluationRequest, context: Context) -> evaluation_pb2.Evaluation:
        return await self._read(answers.get_evaluation, request)

    async def ListEvaluations(self, request: pb.ListEvaluationsRequest, context: Context) -> pb.ListEvaluationsResponse:
        return await self._read(answers.list_evaluations, request)

    async def ReadArtifact(
        self, request: pb.ReadArtifactRequest, context: Context
    ) -> AsyncIterator[artifact_pb2.ArtifactChunk]:
        artifacts = await self._read(answers.artifacts_of_owner, self._jobs, request.owner)
        artifact = reading.find_artifact(artifacts, request.owner, request.artifact)
        async for chunk in send_artifact(self._store, artifact, request.offset, self._drain):
            yield chunk

    async def _read(self, function: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function that only reads in a transaction, in a thread."""
        return await asyncio.to_thread(_run, Session(self._database), function, *args, **kwargs)

    async def _write(self, function: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a function that also writes in a transaction, in a thread."""
        return await asyncio.to_thread(_run, writing(self._database), function, *args, **kwargs)

    async def _create_job(self, job_type: str, parameters: dict[str, Any], request_id: str) -> job_pb2.Job:
        return await asyncio.to_thread(self._jobs.create, job_type, parameters, check_request_id(request_id))

    async def _store_upload(self, path: Path, file_name: str, request_id: str) -> uploading.Upload:
        store_upload = uploading.store_upload
        request_id = check_request_id(request_id)
        return await asyncio.to_thread(store_upload, self._database, self._store, path, file_name, request_id)

    def _refuse_when_draining(self, **position: int) -> None:
        if self._drain.draining:
            raise Unavailable("the service is shutting down; go on from where this ended", **position)


def _run(
    lent: AbstractContextManager[Session],
    function: Callable[Concatenate[Session, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    with lent as session:
        return function(session, *args, **kwargs)


async def _header(requests: AsyncIterator[Any]) -> Any:
    """Returns the header of a client stream, which must be its first message."""
    async for first in requests:
        if first.WhichOneof("content") == "header":
            return first.header
        break
    raise InvalidField("content", "data", "the header first, then the file")


async def _pieces(requests: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    async for message in requests:
        if message.WhichOneof("content") != "data":
            raise InvalidField("content", "header", "bytes of the file after the first message")
        yield message.data
