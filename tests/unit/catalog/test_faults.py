"""The catalog is killed at any moment: no import is lost or doubled, no partial version is visible."""

from __future__ import annotations

import random
import time

import grpc
import numpy as np
import pytest
from unit.catalog.calls import Calls

from support.cluster import Cluster
from support.data import digits
from synthmill.runtime.errors import Unavailable
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import job_pb2

MOMENTS = 5


@pytest.fixture
def own_cluster(tmp_path, database):
    cluster = Cluster(tmp_path, allowed_roots=[tmp_path])
    cluster.add("catalog", flags=["--lease-s", "2", "--heartbeat-s", "0.5", *database])
    yield cluster
    cluster.kill()


def test_import_survives_the_death_of_the_catalog_at_random_moments(own_cluster, tmp_path):
    images, labels = digits()
    np.savez(tmp_path / "a.npz", x=images, y=labels)
    draw = random.Random(5)
    process = own_cluster.services["catalog"]
    for number in range(MOMENTS):
        calls = Calls(process.address)
        job = calls.start_import(f"set-{number}", tmp_path / "a.npz")
        time.sleep(draw.uniform(0, 2.5))
        process.kill()
        calls.close()
        process.restart()
        calls = Calls(process.address)
        finished = finish(calls, job)
        assert finished.state == job_pb2.JOB_STATE_SUCCEEDED
        assert calls.versions(f"set-{number}") == [finished.result]
        count = sum(r.count for r in calls.catalog.ReadRecords(pb.ReadRecordsRequest(name=finished.result)))
        dataset = calls.catalog.GetDataset(pb.GetDatasetRequest(name=finished.result))
        assert count == dataset.splits[0].record_count
        assert dataset.report.seen_count == len(images)
        calls.close()


def finish(calls: Calls, job: job_pb2.Job) -> job_pb2.Job:
    while True:
        try:
            return calls.finish(job)
        except (Unavailable, grpc.RpcError):
            time.sleep(0.2)
