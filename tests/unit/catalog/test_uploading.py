"""Uploads of data sets in chunks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import sys
import time
import urllib.request
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from unit.catalog.calls import make_spec
from unit.kinds.image.drawing import encode

from support.data import digits
from synthmill.runtime.errors import AlreadyExists, DataLoss, FailedPrecondition, InvalidField
from synthmill.runtime.store import Artifact
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import job_pb2, job_service_pb2

IMAGES, LABELS = digits()
TESTS = Path(__file__).resolve().parents[2]


def npz(count=30, start=0):
    buffer = io.BytesIO()
    np.savez(buffer, x=IMAGES[start : start + count], y=LABELS[start : start + count])
    return buffer.getvalue()


def messages(name, data, file_name="a.npz", chunk=1000, **header):
    yield pb.UploadDatasetRequest(header=pb.UploadHeader(spec=make_spec(name), file_name=file_name, **header))
    for start in range(0, len(data), chunk):
        yield pb.UploadDatasetRequest(data=data[start : start + chunk])


def active(cluster, method):
    """How many calls of a method are in progress."""
    with urllib.request.urlopen(f"http://{cluster.services['catalog'].metrics}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [
            sample for family in families if family.name == "synthmill_active_calls" for sample in family.samples
        ]
    return sum(sample.value for sample in samples if sample.labels["method"].endswith(f"/{method}"))


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def upload(calls, *args, **kwargs):
    return calls.catalog.UploadDataset(messages(*args, **kwargs))


def test_upload_is_imported_as_the_same_file_on_disk_is(calls, name, folder):
    data = npz()
    job = calls.finish(upload(calls, name, data, sha256=hashlib.sha256(data).hexdigest()))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    (folder / "a.npz").write_bytes(data)
    on_disk = calls.import_dataset(f"{name}-disk", folder / "a.npz")
    assert calls.catalog.GetDataset(pb.GetDatasetRequest(name=job.result)).digest == on_disk.digest


def test_uploaded_zip_of_folders_is_read_by_its_ending(calls, name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for position in range(20):
            archive.writestr(f"{LABELS[position]}/{position}.png", encode(IMAGES[position]))
    job = calls.finish(upload(calls, name, buffer.getvalue(), file_name="Digits.ZIP"))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error


def test_uploaded_list_cannot_reach_files_of_the_service(calls, name, folder):
    (folder / "secret.png").write_bytes(encode(IMAGES[0]))
    data = f"path,label\n{folder}/secret.png,a\n../../secret.png,b\n".encode()
    job = calls.finish(upload(calls, name, data, file_name="list.csv"))
    assert job.error.reason == "BAD_DATA"
    assert "UNSAFE_PATH 2" in job.error.message


def test_uploaded_file_does_not_stay_in_the_store(calls, name, store):
    data = npz(start=200)
    job = calls.finish(upload(calls, name, data))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    sha256 = hashlib.sha256(data).hexdigest()
    stored = Artifact("a.npz", f"store://sha256/{sha256}", sha256, len(data))
    deadline = time.monotonic() + 20
    while store.exists(stored):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_repeated_upload_is_the_same_job(calls, name):
    request_id = str(uuid.uuid4())
    first, second = (upload(calls, name, npz(), request_id=request_id) for _ in range(2))
    assert first.name == second.name
    assert calls.finish(first).state == job_pb2.JOB_STATE_SUCCEEDED
    assert len(calls.versions(name)) == 1
    with pytest.raises(AlreadyExists):
        upload(calls, name, npz(count=29), request_id=request_id)


def test_uploads_at_once_are_all_taken(calls, name):
    with ThreadPoolExecutor(8) as clients:
        jobs = list(clients.map(lambda start: upload(calls, name, npz(start=start)), range(24)))
    assert len({job.name for job in jobs}) == 24
    for job in jobs:
        with contextlib.suppress(FailedPrecondition):
            calls.jobs.CancelJob(job_service_pb2.CancelJobRequest(name=job.name))


def test_wrong_digest_is_a_data_loss_and_makes_no_job(calls, name):
    with pytest.raises(DataLoss, match="sha256"):
        upload(calls, name, npz(), sha256="0" * 64)
    assert calls.versions(name) == []


@pytest.mark.parametrize("method", ["UploadDataset", "ImportModel"])
def test_upload_cut_short_by_a_client_that_dies_registers_nothing(calls, cluster, name, method):
    before = calls.job_names()
    command = [sys.executable, "-m", "unit.catalog.dying_upload", cluster.address("catalog"), method, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS) as client:
        assert client.stdout.readline() == "sent\n"
        until(lambda: active(cluster, method) == 1)
        client.kill()
    until(lambda: active(cluster, method) == 0)
    assert calls.job_names() == before
    assert not list((cluster.store / "scratch" / "catalog" / "inbox").iterdir())
    # It is as if nothing had come: the name is free.
    assert calls.versions(name) == []


@pytest.mark.parametrize("file_name", ["", "../a.npz", "/etc/a.npz", "a\\b.npz", "..", "a" * 201, "a\0.npz"], ids=repr)
def test_file_name_with_folders_is_refused(calls, name, file_name):
    with pytest.raises(InvalidField) as refusal:
        upload(calls, name, npz(), file_name=file_name)
    assert refusal.value.metadata["field"] == "file_name"


def test_bad_spec_is_refused_before_the_file_is_read(calls):
    with pytest.raises(InvalidField, match=r"spec\.dataset"):
        upload(calls, "Bad Name", npz())


@pytest.mark.parametrize(
    "sequence",
    [
        [],
        [pb.UploadDatasetRequest(data=b"x")],
        [pb.UploadDatasetRequest()],
        [next(messages("twice", b"")), next(messages("twice", b""))],
        [next(messages("nothing", b""))],
    ],
    ids=["no-message", "no-header", "empty-message", "two-headers", "no-data"],
)
def test_stream_of_another_form_is_refused(calls, sequence):
    with pytest.raises(InvalidField):
        calls.catalog.UploadDataset(iter(sequence))


def test_upload_that_is_not_what_it_seems_fails_with_a_typed_error(calls, name):
    job = calls.finish(upload(calls, name, b"\x89PNG no archive", file_name="a.zip"))
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.error.reason == "BAD_DATA"
