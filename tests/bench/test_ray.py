"""What a Ray cluster of three nodes on this machine makes of bulk generation and of training, one of them killed.

SYNTHMILL_BENCH_RAY_ROWS is the number of samples, SYNTHMILL_BENCH_RAY_STEPS the length of each training,
SYNTHMILL_BENCH_RAY_SEEDS how many trainings there are of each sort.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bench.models import write_models

from support.bulk import Writer, digests
from support.cluster import Cluster
from support.data import digits
from support.processes import until
from support.ray_cluster import RayCluster, running_ray
from support.studio import client_of, running_services
from synthmill.client import Client, dataset_spec
from synthmill.runtime.structs import from_struct

MODEL, TASK = "mlp32", "ray::_write"
ROWS = int(os.environ.get("SYNTHMILL_BENCH_RAY_ROWS", "5000000"))
STEPS = int(os.environ.get("SYNTHMILL_BENCH_RAY_STEPS", "1000"))
SEEDS = int(os.environ.get("SYNTHMILL_BENCH_RAY_SEEDS", "2"))
SHARDS = 20
NODES = 3
WITHIN_S = 1800.0
# Of accuracy; each figure is measured on 270 records, and so is off by about as much itself.
QUALITY_MARGIN = 0.03

pytest.importorskip("ray", reason="no Ray: pip install 'synthmill[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> Iterator[RayCluster]:
    with running_ray(tmp_path_factory.mktemp("ray"), NODES) as cluster:
        yield cluster


@pytest.fixture
def ray(nodes) -> RayCluster:
    nodes.restore()
    return nodes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, nodes) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("services")
    file = write_models(folder)[MODEL]
    flags = {"training": ["--precision", "float32"]}
    with running_services(folder, "catalog", "sampling", "training", flags=flags, env=nodes.env) as cluster:
        with client_of(cluster) as client:
            client.jobs.wait(client.catalog.import_model(MODEL, file, kind="tensor").name)
        yield cluster


def test_bulk_generation_with_a_node_killed_half_way(ray, cluster, tmp_path, capsys):
    given = ("--count", ROWS, "--shard-rows", -(-ROWS // SHARDS))
    seconds = {}
    for name, options in {"local": (), "ray": ("--executor", "ray"), "ray, killed": ("--executor", "ray")}.items():
        began = time.perf_counter()
        with Writer(cluster, MODEL, tmp_path / name, *given, *options, env=ray.env) as writer:
            if name == "ray, killed":
                writer.wait_for_shards(SHARDS // 2, WITHIN_S)
                until(lambda: ray.nodes[1].runs(TASK), WITHIN_S)
                ray.nodes[1].kill()
            writer.wait(WITHIN_S)
        seconds[name] = time.perf_counter() - began
    manifest = json.loads((tmp_path / "ray, killed/manifest.json").read_text())
    stored = sum(pq.read_metadata(path).num_rows for path in (tmp_path / "ray, killed").glob("*.parquet"))
    with capsys.disabled():
        print(f"\n  {ROWS:,} samples of {MODEL} in {SHARDS} shards, {NODES} nodes of one CPU each")
        for name, took in seconds.items():
            print(f"  {name:<12} {took:8.1f} s {ROWS / took:12,.0f} samples a second")
    assert manifest["row_count"] == stored == ROWS
    whole = digests(tmp_path / "local")
    assert digests(tmp_path / "ray") == whole
    assert digests(tmp_path / "ray, killed") == whole


@pytest.mark.parametrize("family", ["gan", "vae"])
def test_two_workers_are_worth_what_one_machine_is(ray, cluster, tmp_path, capsys, family):
    with client_of(cluster) as client:
        dataset = import_split_digits(client, tmp_path, f"digits-{family}")
        sorts = {"one process": {"executor": "local"}, "two on Ray": {"executor": "ray", "processes": 2}}
        found: dict[str, list[float]] = {name: [] for name in sorts}
        rates: dict[str, list[float]] = {name: [] for name in sorts}
        for seed in range(SEEDS):
            for name, given in sorts.items():
                asked = {"parameters": {"steps": STEPS}, "model": f"{family}-{name.split()[0]}", "seed": seed, **given}
                job = client.training.create_training_job(dataset, family, **asked)
                metrics = from_struct(client.catalog.get_model(client.jobs.wait(job.name).result).metrics)
                found[name].append(metrics["tstr"])
                rates[name].append(metrics["steps_per_second"])
    with capsys.disabled():
        print(f"\n  {family}, {STEPS} steps on digits, {SEEDS} seeds: TSTR on the validation split")
        for name, figures in found.items():
            rate = statistics.median(rates[name])
            print(f"  {name:<12} {statistics.mean(figures):.4f} {np.round(figures, 4)} {rate:6.1f} steps a second")
    one, two = (statistics.mean(figures) for figures in found.values())
    assert abs(two - one) <= QUALITY_MARGIN


def import_split_digits(client: Client, folder: Path, name: str) -> str:
    """Imports scikit-learn's digits with a validation split and returns the dataset version."""
    images, labels = digits()
    np.savez(folder / "digits.npz", x=images, y=labels)
    spec = dataset_spec(name, "image", license="CC-BY-4.0", parameters={"validation_fraction": 0.15})
    return client.jobs.wait(client.catalog.upload_dataset(spec, folder / "digits.npz").name).result
