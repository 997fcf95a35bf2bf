"""Training, compression and filtering while worker, service and catalog are killed at random moments."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from support.cluster import Cluster, ServiceProcess, children_of
from support.studio import client_of, import_digits, running_services, start_training
from synthmill.client import Client
from synthmill.runtime.errors import Unavailable
from synthmill.runtime.structs import from_struct
from synthmill.v1 import job_pb2

FLAGS = ["--lease-s", "4", "--heartbeat-s", "0.4", "--max-attempts", "100"]
STEPS = 400
WITHIN_S = 240.0


def kill_worker(cluster: Cluster) -> None:
    for pid in children_of(cluster.services["training"].pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_service(name: str) -> Callable[[Cluster], None]:
    def kill(cluster: Cluster) -> None:
        service: ServiceProcess = cluster.services[name]
        service.kill()
        service.restart()

    return kill


KILLS = {"worker": kill_worker, "training": kill_service("training"), "catalog": kill_service("catalog")}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    flags = {"training": [*FLAGS, "--checkpoint-interval-s", "0.3"], "catalog": FLAGS}
    with running_services(tmp_path_factory.mktemp("faults"), "catalog", "training", flags=flags) as cluster:
        with client_of(cluster) as client:
            import_digits(client, cluster.folder)
        yield cluster


def patiently(ask: Callable[[], job_pb2.Job]) -> job_pb2.Job:
    while True:
        try:
            return ask()
        except Unavailable:
            time.sleep(0.1)


def wait_for_step(client: Client, name: str, step: int) -> job_pb2.Job:
    deadline = time.monotonic() + WITHIN_S
    while True:
        job = patiently(lambda: client.jobs.get(name))
        if job.end_time.seconds or job.progress.done >= step or job.progress.phase == "exporting":
            return job
        assert time.monotonic() < deadline, f"{name} does not get on: {job}"
        time.sleep(0.05)


def wait_for_phase(client: Client, name: str, phase: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not (job := patiently(lambda: client.jobs.get(name))).progress.phase.startswith(phase):
        assert not job.end_time.seconds, f"{name} ended without {phase}"
        assert time.monotonic() < deadline, f"{name} does not come to {phase}"
        time.sleep(0.02)


def run_with_kills(cluster: Cluster, model: str, kills: list[tuple[str, int]], seed: int, **parameters: object) -> str:
    """Trains with processes killed once a step has been reached, and returns the digest of the model's weights."""
    with client_of(cluster) as client:
        job = start_training(client, model=model, seed=seed, **{"steps": STEPS, **parameters})
        for what, step in kills:
            wait_for_step(client, job.name, step)
            KILLS[what](cluster)
        ended = client.jobs.wait(job.name)
        versions = list(client.catalog.list_models(f"models/{model}"))
        assert [version.name for version in versions] == [ended.result]
        assert [found.name for found in client.jobs.list("training")].count(job.name) == 1
        artifacts = client.catalog.get_model(ended.result).artifacts
        return next(artifact.sha256 for artifact in artifacts if artifact.name == "weights.safetensors")


def random_kills(moments: random.Random, count: int) -> list[tuple[str, int]]:
    steps = sorted(moments.randrange(1, STEPS) for _ in range(count))
    return [(moments.choice(list(KILLS)), step) for step in steps]


def test_killed_training_goes_on_and_ends_with_the_same_model(cluster):
    calm = run_with_kills(cluster, "calm", [], seed=5)
    kills = [("worker", 60), ("training", 150), ("catalog", 250), ("worker", STEPS)]
    assert run_with_kills(cluster, "stormy", kills, seed=5) == calm


def test_catalog_killed_during_publication_publishes_once(cluster):
    with client_of(cluster) as client:
        job = start_training(client, model="published-once", steps=5)
        deadline = time.monotonic() + WITHIN_S
        # From the export on, until the job has ended: some of these kills hit the publication itself. The catalog lives
        # longer from one to the next, or the worker might never find it there.
        for kills in itertools.count():
            if wait_for_step(client, job.name, 5).end_time.seconds:
                break
            assert time.monotonic() < deadline
            KILLS["catalog"](cluster)
            time.sleep(random.Random(time.monotonic_ns()).uniform(0.0, 0.6 + 0.1 * kills))
        ended = client.jobs.wait(job.name)
        assert [version.name for version in client.catalog.list_models("models/published-once")] == [ended.result]


def test_killed_compression_goes_on_and_ends_with_the_same_weights(cluster):
    with client_of(cluster) as client:
        model = client.jobs.wait(start_training(client, model="compressed", steps=5).name).result
        given = {"fine_tune_steps": STEPS, "fine_tune_batch_size": 8, "probe_steps": 20, "judge_samples": 200}
        weights = []
        for kills in ([], [("worker", 60), ("training", 150), ("catalog", 250), ("worker", STEPS)]):
            job = client.training.create_compression_job(model, ["prune"], parameters=given, max_loss=100, seed=3)
            for what, step in kills:
                wait_for_step(client, job.name, step)
                KILLS[what](cluster)
            result = client.jobs.wait(job.name).result
            stored = {artifact.name: artifact.sha256 for artifact in client.catalog.get_model(result).artifacts}
            weights.append(stored["weights.safetensors"])
        assert weights[0] == weights[1]
        assert len(list(client.catalog.list_models("models/compressed"))) == 3


def test_killed_filtering_goes_on_and_publishes_once(cluster):
    with client_of(cluster) as client:
        model = client.jobs.wait(start_training(client, model="filtered", steps=5).name).result
        given = {"opinion_steps": 400, "probe_steps": 30, "judge_samples": 200, "attempts": 2}
        job = client.training.create_filtering_job(model, parameters=given, seed=3)
        for what, phase in [("worker", "training the probe"), ("training", "judging")]:
            wait_for_phase(client, job.name, phase)
            KILLS[what](cluster)
        ended = client.jobs.wait(job.name)
        # More if the machine is so busy that a lease runs out.
        assert ended.attempts >= 3
        versions = {version.name: version for version in client.catalog.list_models("models/filtered")}
        assert set(versions) == {model, ended.result}
        assert "tstr_at_confidence_0.99" in from_struct(versions[ended.result].metrics)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_twenty_kills_at_random_moments_lose_and_double_nothing(cluster):
    moments = random.Random(20)
    calm = run_with_kills(cluster, "twenty-calm", [], seed=9)
    for run in range(4):
        assert run_with_kills(cluster, f"twenty-{run}", random_kills(moments, 5), seed=9) == calm


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_kills_at_random_moments_change_no_bit_of_the_best_checkpoint(cluster):
    # Many validations, and a learning rate at which utility falls, so that the best is not the last.
    given = {"steps": 800, "validation_interval": 80, "patience": 0, "learning_rate": 0.02}
    calm = run_with_kills(cluster, "best-calm", [], seed=3, **given)
    moments = random.Random(10)
    kills = [("worker", step) for step in sorted(moments.randrange(1, 800) for _ in range(10))]
    assert run_with_kills(cluster, "best-stormy", kills, seed=3, **given) == calm
