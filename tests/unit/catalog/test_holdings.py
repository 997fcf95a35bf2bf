"""What the catalog says of what it holds, to Prometheus and as its status."""

from __future__ import annotations

import urllib.request

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from support.data import digits
from synthmill.runtime.channels import connect_sync
from synthmill.v1 import status_pb2, status_service_pb2_grpc
from synthmill.v1 import status_service_pb2 as pb


def status_of(address: str) -> status_pb2.ServiceStatus:
    with connect_sync(address) as channel:
        return status_service_pb2_grpc.StatusServiceStub(channel).GetStatus(pb.GetStatusRequest(), timeout=20)


def metrics_of(address: str) -> dict[tuple, float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def test_versions_and_bytes_are_counted(calls, cluster, name, folder):
    images, labels = digits()
    np.savez(folder / "a.npz", x=images[:20], y=labels[:20])
    metrics = cluster.services["catalog"].metrics
    before, gauges = metrics_of(metrics), gauges_of(cluster)
    dataset = calls.import_dataset(name, folder / "a.npz")
    after = metrics_of(metrics)
    versions = ("synthmill_catalog_versions", "datasets")
    assert after[versions] == before[versions] + 1
    assert gauges_of(cluster)["datasets"] == gauges["datasets"] + 1
    stored = after["synthmill_catalog_stored_bytes",] - before["synthmill_catalog_stored_bytes",]
    # Other versions may have some of its files.
    assert 0 < stored <= sum(artifact.size_bytes for artifact in dataset.artifacts)


def gauges_of(cluster) -> dict[str, float]:
    return {gauge.name: gauge.value for gauge in status_of(cluster.address("catalog")).gauges}
