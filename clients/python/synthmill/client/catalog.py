"""Datasets, models and policies: brought in, listed, read, deleted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthmill.client.batches import Batch
from synthmill.client.blocking import Blocking, blocking, blocking_iterator
from synthmill.client.messages import full_name, make, new_request_id
from synthmill.client.services import ServiceClient
from synthmill.client.uploads import Upload
from synthmill.runtime.structs import to_struct
from synthmill.v1 import artifact_pb2, dataset_pb2, evaluation_pb2, job_pb2, model_pb2, policy_pb2
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1.catalog_service_pb2_grpc import CatalogServiceStub


class AsyncCatalog(ServiceClient):
    """The catalog service.

    Datasets, models and policies are named "datasets/{dataset}", "models/{model}" and "policies/{policy}", and their
    versions "datasets/{dataset}/versions/{n}" and so on; the collection in front may be left out.
    """

    stub = CatalogServiceStub

    async def import_dataset(self, spec: pb.DatasetSpec, source: str, *, request_id: str = "") -> job_pb2.Job:
        """Begins to import a dataset from a place that the service can read; the job's result is a dataset version.

        Args:
            spec: what to make of the source, as `dataset_spec` makes it.
            source: path or URI under one of the service's allowed roots.
            request_id: UUID; a second call with the same one returns the same job. Empty means a new one.

        Raises:
            InvalidField: a field has a value that is not allowed.
            PermissionDenied: the source lies outside the allowed roots.
        """
        request_id = request_id or new_request_id()
        request = make(pb.ImportDatasetRequest, spec=spec, source_uri=source, request_id=request_id)
        return await self._unary("ImportDataset", request)

    async def upload_dataset(self, spec: pb.DatasetSpec, path: str | Path, *, request_id: str = "") -> job_pb2.Job:
        """Sends a file, or a folder as a tar of it, and begins to import it as `import_dataset` does.

        Raises:
            InvalidField: nothing is at the path, or a field has a value that is not allowed.
            ResourceExhausted: the file is larger than the service takes.
        """
        upload = Upload(Path(path))
        header = pb.UploadHeader(
            spec=spec,
            file_name=upload.file_name,
            request_id=request_id or new_request_id(),
            sha256=await self.work(upload.sha256),
        )

        def requests() -> Iterator[pb.UploadDatasetRequest]:
            yield pb.UploadDatasetRequest(header=header)
            for piece in upload.pieces():
                yield pb.UploadDatasetRequest(data=piece)

        return await self._upload("UploadDataset", requests)

    async def get_dataset(self, name: str) -> dataset_pb2.Dataset:
        """Returns a dataset version; without a number the newest."""
        return await self._unary("GetDataset", pb.GetDatasetRequest(name=full_name("datasets", name)))

    async def list_datasets(self, dataset: str = "") -> AsyncGenerator[dataset_pb2.Dataset, None]:
        """Yields dataset versions, the newest first, without artifacts; of one dataset, or of all."""
        request = pb.ListDatasetsRequest(dataset=dataset and full_name("datasets", dataset))
        async with contextlib.aclosing(self._pages("ListDatasets", request, "datasets")) as datasets:
            async for item in datasets:
                yield item

    async def list_import_issues(self, name: str) -> AsyncGenerator[dataset_pb2.ImportIssue, None]:
        """Yields what the import of a dataset version found, in source order."""
        request = pb.ListImportIssuesRequest(name=full_name("datasets", name))
        async with contextlib.aclosing(self._pages("ListImportIssues", request, "issues")) as issues:
            async for issue in issues:
                yield issue

    async def read_records(
        self, name: str, *, split: str = "train", start_index: int = 0, count: int = 0
    ) -> AsyncGenerator[Batch, None]:
        """Yields the records of a split in order; a stream that breaks is taken up where it ended.

        Args:
            count: number of records; zero means to the end.
        """
        version = await self.get_dataset(name)
        request = make(pb.ReadRecordsRequest, name=version.name, split=split, start_index=start_index, count=count)
        sizes = {part.name: part.record_count for part in version.splits}
        end = start_index + count if count else sizes.get(split, 0)
        asked = False

        def next_request() -> pb.ReadRecordsRequest | None:
            nonlocal asked
            # The first try is made whatever the range is: the service says what is wrong with it.
            wanted = not asked or request.start_index < end
            asked = True
            return request if wanted else None

        async with contextlib.aclosing(self._resumed("ReadRecords", next_request)) as answers:
            async for answer in answers:
                request.start_index = answer.first_index + answer.count
                request.count = end - request.start_index
                yield Batch.from_records(answer)

    async def delete_dataset(self, name: str) -> None:
        """Deletes a dataset version."""
        await self._unary("DeleteDataset", pb.DeleteDatasetRequest(name=full_name("datasets", name)))

    async def publish_model(self, model: str, version: model_pb2.Model, *, request_id: str = "") -> model_pb2.Model:
        """Publishes a model version from artifacts that are in the object store already."""
        request_id = request_id or new_request_id()
        request = make(
            pb.PublishModelRequest, model=model.removeprefix("models/"), version=version, request_id=request_id
        )
        return await self._unary("PublishModel", request)

    async def import_model(
        self,
        model: str,
        path: str | Path,
        *,
        kind: str,
        labels: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Sends a foreign ONNX generator and begins to wrap it; the job's result is a model version.

        Args:
            kind: kind of its samples; "tensor" for arrays and nothing more.
            labels: class names in the order of the graph's label input.
            parameters: how to read inputs and outputs, where the graph leaves a doubt.
        """
        upload = Upload(Path(path))
        header = make(
            pb.ImportModelHeader,
            model=model.removeprefix("models/"),
            kind=kind,
            labels=list(labels),
            parameters=to_struct(parameters or {}),
            request_id=request_id or new_request_id(),
            sha256=await self.work(upload.sha256),
        )

        def requests() -> Iterator[pb.ImportModelRequest]:
            yield pb.ImportModelRequest(header=header)
            for piece in upload.pieces():
                yield pb.ImportModelRequest(data=piece)

        return await self._upload("ImportModel", requests)

    async def get_model(self, name: str) -> model_pb2.Model:
        """Returns a model version; without a number the promoted one, or the newest."""
        return await self._unary("GetModel", pb.GetModelRequest(name=full_name("models", name)))

    async def list_models(self, model: str = "") -> AsyncGenerator[model_pb2.Model, None]:
        """Yields model versions, the newest first, without artifacts; of one model, or of all."""
        request = pb.ListModelsRequest(model=model and full_name("models", model))
        async with contextlib.aclosing(self._pages("ListModels", request, "models")) as models:
            async for item in models:
                yield item

    async def promote_model(self, name: str, *, override_reason: str = "") -> model_pb2.Model:
        """Makes a version the one that its model's name without a number means.

        Args:
            override_reason: why it is promoted whatever the gate says; it is kept in `Model.promotion`. Empty means
                that the gate decides.

        Raises:
            GateRefused: its newest evaluation has not passed the gate, or there is none.
        """
        request = make(pb.PromoteModelRequest, name=full_name("models", name), override_reason=override_reason)
        return await self._unary("PromoteModel", request)

    async def delete_model(self, name: str) -> None:
        """Deletes a model version."""
        await self._unary("DeleteModel", pb.DeleteModelRequest(name=full_name("models", name)))

    async def publish_policy(self, policy: str, version: policy_pb2.PolicyVersion) -> policy_pb2.PolicyVersion:
        """Publishes a policy version; if the newest one is the same already, returns that.

        The catalog does not know operations: `AsyncAugmentation.save_policy` checks a policy first, then publishes it.

        Args:
            policy: policy to add a version to.
            version: kind, policy with every default written out, and its digest.

        Raises:
            InvalidField: a field has a value that is not allowed.
        """
        request = make(pb.PublishPolicyRequest, policy=policy.removeprefix("policies/"), version=version)
        return await self._unary("PublishPolicy", request)

    async def get_policy(self, name: str) -> policy_pb2.PolicyVersion:
        """Returns a policy version; without a number the newest."""
        return await self._unary("GetPolicy", pb.GetPolicyRequest(name=full_name("policies", name)))

    async def list_policies(self, policy: str = "") -> AsyncGenerator[policy_pb2.PolicyVersion, None]:
        """Yields policy versions, the newest first; of one policy, or of all."""
        request = pb.ListPoliciesRequest(policy=policy and full_name("policies", policy))
        async with contextlib.aclosing(self._pages("ListPolicies", request, "policies")) as policies:
            async for item in policies:
                yield item

    async def delete_policy(self, name: str) -> None:
        """Deletes a policy version."""
        await self._unary("DeletePolicy", pb.DeletePolicyRequest(name=full_name("policies", name)))

    async def get_evaluation(self, name: str) -> evaluation_pb2.Evaluation:
        """Returns an evaluation; "evaluations/" may be left out."""
        return await self._unary("GetEvaluation", pb.GetEvaluationRequest(name=full_name("evaluations", name)))

    async def list_evaluations(self, subject: str = "") -> AsyncGenerator[evaluation_pb2.Evaluation, None]:
        """Yields evaluations, the newest first, without artifacts.

        Args:
            subject: only those of a model, of a dataset, "datasets/{dataset}", or of one of their versions; "models/"
                may be left out. Empty means all.
        """
        name = subject if not subject or subject.startswith("datasets/") else full_name("models", subject)
        request = pb.ListEvaluationsRequest(subject=name)
        async with contextlib.aclosing(self._pages("ListEvaluations", request, "evaluations")) as evaluations:
            async for item in evaluations:
                yield item

    async def read_artifact(self, owner: str, artifact: artifact_pb2.Artifact) -> AsyncGenerator[bytes, None]:
        """Yields the bytes of a file; a stream that breaks is taken up where it ended.

        Args:
            owner: dataset or model version, or evaluation, that has the file.

        Raises:
            DataLoss: the bytes are not those announced, or the service has lost them.
        """
        request = pb.ReadArtifactRequest(owner=owner, artifact=artifact.name)
        async with contextlib.aclosing(self._file("ReadArtifact", request, artifact)) as pieces:
            async for piece in pieces:
                yield piece

    async def download_artifact(self, owner: str, artifact: artifact_pb2.Artifact, path: str | Path) -> None:
        """Writes a file of a version to a path, at once or not at all.

        Raises:
            DataLoss: the bytes do not have the digest announced.
        """
        await self._download(owner, artifact, self.read_artifact(owner, artifact), Path(path))


class Catalog(Blocking[AsyncCatalog]):
    """The catalog service; methods as in `AsyncCatalog`, without await."""

    import_dataset = blocking(AsyncCatalog.import_dataset)
    upload_dataset = blocking(AsyncCatalog.upload_dataset)
    get_dataset = blocking(AsyncCatalog.get_dataset)
    list_datasets = blocking_iterator(AsyncCatalog.list_datasets)
    list_import_issues = blocking_iterator(AsyncCatalog.list_import_issues)
    read_records = blocking_iterator(AsyncCatalog.read_records)
    delete_dataset = blocking(AsyncCatalog.delete_dataset)
    publish_model = blocking(AsyncCatalog.publish_model)
    import_model = blocking(AsyncCatalog.import_model)
    get_model = blocking(AsyncCatalog.get_model)
    list_models = blocking_iterator(AsyncCatalog.list_models)
    promote_model = blocking(AsyncCatalog.promote_model)
    delete_model = blocking(AsyncCatalog.delete_model)
    publish_policy = blocking(AsyncCatalog.publish_policy)
    get_policy = blocking(AsyncCatalog.get_policy)
    list_policies = blocking_iterator(AsyncCatalog.list_policies)
    delete_policy = blocking(AsyncCatalog.delete_policy)
    get_evaluation = blocking(AsyncCatalog.get_evaluation)
    list_evaluations = blocking_iterator(AsyncCatalog.list_evaluations)
    read_artifact = blocking_iterator(AsyncCatalog.read_artifact)
    download_artifact = blocking(AsyncCatalog.download_artifact)


def dataset_spec(
    dataset: str,
    kind: str,
    *,
    label_from: str = "",
    parameters: Mapping[str, Any] | None = None,
    license: str = "",
    origin: str = "",
    consent: str = "",
) -> pb.DatasetSpec:
    """Says what to make of a source.

    Args:
        dataset: dataset to add a version to.
        kind: kind of the records: "image".
        label_from: "folder", "none", or the name of a column or of a file; empty means what the source suggests.
        parameters: the kind's own, test_fraction and validation_fraction.
        license: licence, as an SPDX identifier where there is one.
        origin: origin in words or as a URL.
        consent: ground on which personal data may be used.
    """
    return make(
        pb.DatasetSpec,
        dataset=dataset.removeprefix("datasets/"),
        kind=kind,
        label_from=label_from,
        parameters=to_struct(parameters or {}),
        provenance=make(dataset_pb2.Provenance, license=license, origin=origin, consent=consent),
    )
