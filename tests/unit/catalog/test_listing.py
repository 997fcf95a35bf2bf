"""Lists of versions, their names, and what deletion leaves."""

from __future__ import annotations

import time

import numpy as np
import pytest

from support.data import digits
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.runtime.store import Artifact
from synthmill.v1 import catalog_service_pb2 as pb

IMAGES, LABELS = digits()


@pytest.fixture
def source(folder):
    np.savez(folder / "a.npz", x=IMAGES[:20], y=LABELS[:20])
    return folder / "a.npz"


def get(calls, name):
    return calls.catalog.GetDataset(pb.GetDatasetRequest(name=name))


def test_versions_are_listed_newest_first_page_by_page(calls, name, source):
    for _ in range(5):
        calls.import_dataset(name, source)
    seen, token = [], ""
    while True:
        request = pb.ListDatasetsRequest(page_size=2, page_token=token, dataset=f"datasets/{name}")
        page = calls.catalog.ListDatasets(request)
        assert len(page.datasets) <= 2
        seen += page.datasets
        token = page.next_page_token
        if not token:
            break
    assert [version.name for version in seen] == [f"datasets/{name}/versions/{n}" for n in (5, 4, 3, 2, 1)]
    assert not any(version.artifacts for version in seen)


def test_list_of_all_datasets_has_those_of_every_name(calls, name, source):
    for suffix in ("a", "b"):
        calls.import_dataset(f"{name}-{suffix}", source)
    newest = calls.catalog.ListDatasets(pb.ListDatasetsRequest(page_size=2)).datasets
    assert [version.name for version in newest] == [f"datasets/{name}-{s}/versions/1" for s in ("b", "a")]


def test_list_of_an_unknown_dataset_is_empty(calls):
    assert calls.versions("nobody-has-this") == []


@pytest.mark.parametrize(
    "request_",
    [{"page_size": -1}, {"page_token": "nonsense"}, {"dataset": "digits"}, {"dataset": "datasets/a/versions/1"}],
    ids=str,
)
def test_bad_list_request_is_refused(calls, request_):
    with pytest.raises(InvalidField) as refusal:
        calls.catalog.ListDatasets(pb.ListDatasetsRequest(**request_))
    assert refusal.value.metadata["field"] == next(iter(request_))


def test_token_of_one_list_is_refused_by_another(calls, name, source):
    for _ in range(2):
        calls.import_dataset(name, source)
    page = calls.catalog.ListDatasets(pb.ListDatasetsRequest(page_size=1, dataset=f"datasets/{name}"))
    with pytest.raises(InvalidField, match="page_token"):
        calls.catalog.ListDatasets(pb.ListDatasetsRequest(page_size=1, page_token=page.next_page_token))


def test_name_without_number_means_the_newest(calls, name, source):
    calls.import_dataset(name, source)
    newest = calls.import_dataset(name, source)
    assert get(calls, f"datasets/{name}").name == newest.name
    assert get(calls, f"datasets/{name}/versions/1").name != newest.name


@pytest.mark.parametrize("missing", ["datasets/nobody-has-this", "datasets/nobody-has-this/versions/1"])
def test_unknown_dataset_is_not_found(calls, missing):
    with pytest.raises(NotFound, match="nobody-has-this"):
        get(calls, missing)
    with pytest.raises(NotFound):
        calls.catalog.ListImportIssues(pb.ListImportIssuesRequest(name=missing))


def test_deleted_version_is_gone_and_its_number_is_never_given_again(calls, name, source):
    first = calls.import_dataset(name, source)
    calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=first.name))
    with pytest.raises(NotFound):
        get(calls, first.name)
    with pytest.raises(NotFound):
        calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=first.name))
    assert calls.import_dataset(name, source).name == f"datasets/{name}/versions/2"


def test_deletion_needs_a_version(calls, name, source):
    calls.import_dataset(name, source)
    with pytest.raises(InvalidField, match="name"):
        calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=f"datasets/{name}"))
    assert calls.versions(name)


def test_files_go_with_the_last_version_that_names_them(calls, name, folder, store):
    np.savez(folder / "own.npz", x=IMAGES[100:130], y=LABELS[100:130])
    first, second = (calls.import_dataset(name, folder / "own.npz") for _ in range(2))
    files = [Artifact.from_proto(artifact) for artifact in first.artifacts]
    calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=first.name))
    time.sleep(1.0)
    assert all(store.exists(file) for file in files)
    assert list(calls.catalog.ReadRecords(pb.ReadRecordsRequest(name=second.name)))
    calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=second.name))
    deadline = time.monotonic() + 20
    while any(store.exists(file) for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.1)
