"""Calls to a running catalog, as a test wants them: finished jobs, whole lists, typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import struct_pb2

from synthmill.runtime.channels import connect_sync
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import catalog_service_pb2_grpc, dataset_pb2, job_pb2, job_service_pb2, job_service_pb2_grpc

DEADLINE_S = 60.0
FINAL = (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED)


class Calls:
    """Stubs of a catalog at an address."""

    def __init__(self, address: str) -> None:
        self._channel: grpc.Channel = connect_sync(address)
        self.catalog = catalog_service_pb2_grpc.CatalogServiceStub(self._channel)
        self.jobs = job_service_pb2_grpc.JobServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def import_dataset(self, dataset: str, source: Path | str, kind: str = "image", **spec: Any) -> dataset_pb2.Dataset:
        """Imports a source, expects success and returns the new version."""
        job = self.finish(self.start_import(dataset, source, kind, **spec))
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
        return self.catalog.GetDataset(pb.GetDatasetRequest(name=job.result))

    def fail_import(self, dataset: str, source: Path | str, kind: str = "image", **spec: Any) -> job_pb2.JobError:
        """Imports a source, expects failure, makes sure that nothing became visible, and returns the error."""
        before = self.versions(dataset)
        job = self.finish(self.start_import(dataset, source, kind, **spec))
        assert job.state == job_pb2.JOB_STATE_FAILED
        assert self.versions(dataset) == before
        return job.error

    def start_import(
        self, dataset: str, source: Path | str, kind: str = "image", request_id: str = "", **spec: Any
    ) -> job_pb2.Job:
        """Asks for an import and returns its job."""
        request = pb.ImportDatasetRequest(
            spec=make_spec(dataset, kind, **spec), source_uri=str(source), request_id=request_id
        )
        return self.catalog.ImportDataset(request, timeout=DEADLINE_S)

    def finish(self, job: job_pb2.Job) -> job_pb2.Job:
        """Waits until a job has ended."""
        for event in self.jobs.WatchJob(job_service_pb2.WatchJobRequest(name=job.name), timeout=DEADLINE_S):
            if event.HasField("job") and event.job.state in FINAL:
                break
        return self.jobs.GetJob(job_service_pb2.GetJobRequest(name=job.name))

    def job_names(self) -> set[str]:
        """Returns the names of all jobs of the catalog."""
        jobs = self.jobs.ListJobs(job_service_pb2.ListJobsRequest(page_size=1000)).jobs
        return {job.name for job in jobs}

    def messages(self, job: str) -> list[str]:
        """Returns what a finished job has told."""
        events = self.jobs.WatchJob(job_service_pb2.WatchJobRequest(name=job), timeout=DEADLINE_S)
        return [event.message for event in events if event.WhichOneof("event") == "message"]

    def versions(self, dataset: str) -> list[str]:
        """Returns the names of all versions of a dataset, the newest first."""
        request = pb.ListDatasetsRequest(dataset=f"datasets/{dataset}", page_size=1000)
        return [version.name for version in self.catalog.ListDatasets(request).datasets]

    def issues(self, dataset: dataset_pb2.Dataset, page_size: int = 1000) -> list[dataset_pb2.ImportIssue]:
        """Returns all findings of an import, page by page."""
        return list(self._issues(dataset.name, page_size))

    def reasons(self, dataset: dataset_pb2.Dataset) -> dict[str, tuple[str, bool]]:
        """Returns (reason, dropped) by source name, for datasets with at most one finding per item."""
        return {issue.source: (reason_name(issue), issue.dropped) for issue in self._issues(dataset.name, 1000)}

    def _issues(self, name: str, page_size: int) -> Iterator[dataset_pb2.ImportIssue]:
        token = ""
        while True:
            request = pb.ListImportIssuesRequest(name=name, page_size=page_size, page_token=token)
            page = self.catalog.ListImportIssues(request)
            assert len(page.issues) <= page_size
            yield from page.issues
            token = page.next_page_token
            if not token:
                return


def make_spec(
    dataset: str,
    kind: str = "image",
    label_from: str = "",
    parameters: dict[str, Any] | None = None,
    provenance: dict[str, str] | None = None,
) -> pb.DatasetSpec:
    """Makes the spec of a request."""
    struct = struct_pb2.Struct()
    struct.update(parameters or {})
    return pb.DatasetSpec(
        dataset=dataset,
        kind=kind,
        label_from=label_from,
        parameters=struct,
        provenance=dataset_pb2.Provenance(**(provenance or {})),
    )


def reason_name(issue: dataset_pb2.ImportIssue) -> str:
    """Returns the name of a finding's reason, without its prefix."""
    return dataset_pb2.ImportIssueReason.Name(issue.reason).removeprefix("IMPORT_ISSUE_REASON_")
