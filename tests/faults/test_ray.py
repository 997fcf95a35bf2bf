"""Bulk writing and training on a Ray cluster of several nodes, one of which dies half-way."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench.models import write_models

from support.bulk import Writer, digests
from support.cluster import Cluster
from support.processes import until
from support.ray_cluster import RayCluster, running_ray
from support.studio import DATASET, TINY, client_of, import_digits, running_services
from synthmill.client import Client
from synthmill.runtime.errors import Cancelled
from synthmill.v1 import job_pb2

MODEL = "mlp32"
COUNT, ROWS = 400_000, 20_000
STEPS = 80
PATIENCE_S = 150.0
TASK, RANK = "ray::_write", "ray::Rank"

PROGRAM = """
import asyncio, json, sys
from synthmill.client import AsyncClient

async def main(addresses, model, out, count, rows):
    async with AsyncClient(**json.loads(addresses)) as client:
        await client.write_samples(model, out, int(count), shard_rows=int(rows), executor="ray")

asyncio.run(main(*sys.argv[1:]))
"""

pytest.importorskip("ray", reason="no Ray: pip install 'synthmill[ray]'")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory) -> Iterator[RayCluster]:
    with running_ray(tmp_path_factory.mktemp("ray")) as cluster:
        yield cluster


@pytest.fixture
def ray(nodes) -> RayCluster:
    """The cluster with all its nodes."""
    nodes.restore()
    return nodes


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, nodes) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("services")
    file = write_models(folder)[MODEL]
    flags = {"training": ["--checkpoint-interval-s", "0.3", "--precision", "float32"]}
    with running_services(folder, "catalog", "sampling", "training", flags=flags, env=nodes.env) as cluster:
        with client_of(cluster) as client:
            client.jobs.wait(client.catalog.import_model(MODEL, file, kind="tensor").name)
            import_digits(client, folder)
        yield cluster


@pytest.fixture(scope="module")
def whole(cluster) -> Path:
    """A folder that one machine has written."""
    with Writer(cluster, MODEL, cluster.folder / "whole", "--count", COUNT, "--shard-rows", ROWS) as writer:
        writer.wait()
    return writer.out


def on_ray(ray: RayCluster, cluster: Cluster, out: Path, *options: object) -> Writer:
    given = ("--count", COUNT, "--shard-rows", ROWS, "--executor", "ray", *options)
    return Writer(cluster, MODEL, out, *given, env=ray.env)


def test_a_node_dies_and_the_files_are_those_of_one_machine(ray, cluster, whole, tmp_path):
    with on_ray(ray, cluster, tmp_path / "out") as writer:
        writer.wait_for_shards(4)
        until(lambda: ray.nodes[1].runs(TASK), PATIENCE_S)
        ray.nodes[1].kill()
        assert not (writer.out / "manifest.json").exists()
        writer.wait()
    assert digests(writer.out) == digests(whole)
    assert sum(pq.read_metadata(path).num_rows for path in writer.out.glob("*.parquet")) == COUNT


def test_what_one_machine_has_begun_the_cluster_goes_on_with_and_the_other_way_round(ray, cluster, whole, tmp_path):
    arguments = (cluster, MODEL, tmp_path / "out", "--count", COUNT, "--shard-rows", ROWS)
    with Writer(*arguments) as writer:
        writer.wait_for_shards(2)
        writer.kill()
    with on_ray(ray, cluster, tmp_path / "out") as writer:
        writer.wait_for_shards(6)
        assert writer.interrupt() == 130
    assert not (writer.out / "manifest.json").exists()
    with Writer(*arguments) as writer:
        assert "samples are there; going on" in writer.wait()
    assert digests(writer.out) == digests(whole)


def train(client: Client, model: str, **given: object) -> job_pb2.Job:
    parameters = {**TINY, "steps": STEPS}
    return client.training.create_training_job(DATASET, "gan", model=model, parameters=parameters, seed=5, **given)


def weights_of(client: Client, version: str) -> str:
    artifacts = client.catalog.get_model(version).artifacts
    return next(artifact.sha256 for artifact in artifacts if artifact.name == "weights.safetensors")


def kill_a_node_in(ray: RayCluster, client: Client, job: job_pb2.Job) -> None:
    """Kills a node that trains, once a quarter of the steps are done."""
    until(lambda: client.jobs.get(job.name).progress.done >= STEPS // 4, PATIENCE_S)
    next(node for number, node in ray.nodes.items() if number and node.runs(RANK)).kill()


def test_a_node_dies_and_the_training_goes_on_within_its_job(ray, cluster):
    with client_of(cluster) as client:
        job = train(client, "on-ray", processes=2, executor="ray")
        kill_a_node_in(ray, client, job)
        ended = client.jobs.wait(job.name)
        said = [event.message for event in client.jobs.watch(job.name) if event.message]
        assert sum("a process on the Ray cluster was lost" in text for text in said) == 1, said
        assert ended.attempts == 1
        assert [version.name for version in client.catalog.list_models("models/on-ray")] == [ended.result]


@pytest.mark.slow
def test_the_command_of_the_guide_runs(ray, cluster, tmp_path):
    guide = (Path(__file__).parents[2] / "clients/python/README.md").read_text()
    [command] = re.findall(r"```sh ray\n(.*)\n```", guide)
    with client_of(cluster) as client:
        client.jobs.wait(client.catalog.import_model("pets", cluster.folder / f"{MODEL}.onnx", kind="tensor").name)
    addresses = {f"SYNTHMILL_{name.upper()}_ADDRESS": cluster.address(name) for name in ("catalog", "sampling")}
    words = [sys.executable, "-m", "synthmill.cli", *shlex.split(command)[1:]]
    subprocess.run(words, check=True, cwd=tmp_path, env={**os.environ, **ray.env, **addresses})
    assert json.loads((tmp_path / "all-pets/manifest.json").read_text())["row_count"] == 20_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nodes_that_die_at_random_moments_lose_and_double_nothing(ray, cluster, whole, tmp_path):
    moments = random.Random(7)
    for run in range(4):
        ray.restore()
        with on_ray(ray, cluster, tmp_path / f"out-{run}") as writer:
            for number, shards in enumerate(sorted(moments.sample(range(1, 15), 2)), 1):
                writer.wait_for_shards(shards)
                time.sleep(moments.uniform(0.0, 0.3))
                ray.nodes[number].kill()
            writer.wait()
        assert digests(writer.out) == digests(whole)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_that_loses_a_node_and_is_resumed_has_the_weights_of_one_machine(ray, cluster):
    with client_of(cluster) as client:
        job = train(client, "resumed", processes=2, executor="ray")
        kill_a_node_in(ray, client, job)
        until(lambda: client.jobs.get(job.name).progress.done >= STEPS // 2, PATIENCE_S)
        client.jobs.cancel(job.name)
        until(lambda: client.jobs.get(job.name).end_time.seconds, PATIENCE_S)
        cancelled = client.jobs.get(job.name)
        assert cancelled.state == job_pb2.JOB_STATE_CANCELLED
        assert cancelled.progress.done < STEPS
        until(lambda: not any(node.runs(RANK) for node in ray.nodes.values()), PATIENCE_S)
        client.jobs.resume(job.name)
        resumed = client.jobs.wait(job.name)
        # Two shares have one sum, whatever the nodes that they come from.
        local = client.jobs.wait(train(client, "in-one-go", processes=2, executor="local").name)
        assert weights_of(client, resumed.result) == weights_of(client, local.result)


@pytest.mark.slow
def test_a_job_for_which_there_is_no_room_says_so_and_can_be_cancelled(ray, cluster):
    with client_of(cluster) as client:
        job = train(client, "too-many", processes=4, executor="ray")
        events = client.jobs.watch(job.name)
        told = next(event.message for event in events if event.message)
        assert told == "waiting for room for 4 processes with 1 CPU each on the Ray cluster"
        client.jobs.cancel(job.name)
        with pytest.raises(Cancelled):
            client.jobs.wait(job.name)


@pytest.mark.slow
def test_the_asynchronous_client_writes_the_same_files(ray, cluster, whole, tmp_path):
    addresses = {f"{name}_address": cluster.address(name) for name in ("catalog", "sampling")}
    arguments = [json.dumps(addresses), MODEL, str(tmp_path / "out"), str(COUNT), str(ROWS)]
    subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=True, env={**os.environ, **ray.env})
    assert digests(tmp_path / "out") == digests(whole)
