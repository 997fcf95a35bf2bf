"""A kind that the services have never seen goes through a real catalog."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from kinds.samples import CASES
from unit.catalog.calls import Calls

from support.cluster import Cluster
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.tensors import from_batch
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import job_pb2

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    search_path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    env = {"SYNTHMILL_KINDS": "kinds.point", "PYTHONPATH": search_path}
    cluster = Cluster(tmp_path_factory.mktemp("point"), allowed_roots=[base], env=env)
    cluster.add("catalog")
    calls = Calls(cluster.address("catalog"))
    yield calls
    calls.close()
    cluster.stop()


def records(calls, dataset, split):
    responses = calls.catalog.ReadRecords(pb.ReadRecordsRequest(name=dataset.name, split=split, chunk_bytes=100))
    batches = [from_batch(response.batch) for response in responses]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def test_toy_kind_is_imported_and_read_back(calls, tmp_path):
    case = CASES["point"]
    dataset = calls.import_dataset("points", case.write_source(tmp_path), "point", parameters={"scale": 2})
    assert dataset.kind == "point"
    assert list(dataset.labels) == ["left", "right"]
    assert dict(dataset.schema) == {"axes": 2.0}
    assert {column.name: list(column.shape) for column in dataset.columns} == {
        "position": [-1, 2],
        "weight": [-1],
        "label": [-1],
    }
    assert (dataset.report.seen_count, dataset.report.kept_count) == (case.good + 1, case.good)
    assert dict(dataset.report.issue_counts) == {"CORRUPT": 1}
    assert len(dataset.statistics["mean"]) == 2
    train = records(calls, dataset, "train")
    assert train["position"].dtype == np.float32
    assert ((train["position"][:, 0] > 0) == (train["label"] == 1)).all()
    assert train["weight"] == pytest.approx(np.linalg.norm(train["position"], axis=1))


def test_toy_kind_finds_its_duplicates(calls, tmp_path):
    rows = ["1,2,a", "3,4,a", "1,2,a", "1.0001,2,b", "3,4,b"]
    (tmp_path / "points.csv").write_text("\n".join(rows))
    dataset = calls.import_dataset("twins", tmp_path / "points.csv", "point", parameters={"test_fraction": 0})
    assert {issue.source: issue.other for issue in calls.issues(dataset)} == {
        "row 2": "row 0",
        "row 3": "row 0",
        "row 4": "row 1",
    }
    assert dict(dataset.report.issue_counts) == {
        "EXACT_DUPLICATE": 1,
        "NEAR_DUPLICATE": 1,
        "CONFLICTING_LABEL": 1,
    }


def test_kinds_live_side_by_side(calls, tmp_path):
    dataset = calls.import_dataset("digits", CASES["image"].write_source(tmp_path))
    assert dataset.kind == "image"


def test_unknown_parameter_of_the_kind_is_refused_by_name(calls, tmp_path):
    with pytest.raises(InvalidField, match=r"spec\.parameters\.height.*scale, test_fraction"):
        calls.start_import("points", CASES["point"].write_source(tmp_path), "point", parameters={"height": 8})


def test_source_of_another_kind_fails_with_a_typed_error(calls, tmp_path):
    job = calls.finish(calls.start_import("points", CASES["point"].write_source(tmp_path), "image"))
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.error.reason == "BAD_DATA"
