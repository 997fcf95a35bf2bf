"""The loop over six real services, on scikit-learn's digits: from a raw file to what is shipped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.cluster import Cluster, children_of
from support.collector import Collected, Collector, running_collector
from support.data import digits
from support.processes import until
from support.studio import client_of, running_services
from synthmill.client import Client
from synthmill.client.jobs import FINAL
from synthmill.v1 import job_pb2, loop_pb2

SERVICES = ("catalog", "augmentation", "training", "sampling", "evaluation", "pipeline")
# A generator that is trained in seconds and makes noise: samples of it cannot help.
TINY = {"steps": 30, "width": 8, "latent_size": 8, "batch_size": 16}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def services(tmp_path_factory, collector) -> Iterator[Cluster]:
    with running_services(tmp_path_factory.mktemp("loop"), *SERVICES, env=collector.env) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(services) -> Iterator[Client]:
    with client_of(services) as client:
        yield client


@pytest.fixture(scope="module")
def source(services) -> Path:
    images, labels = digits()
    path = services.folder / "long-tail.npz"
    # Half of the classes are rare.
    rows = np.concatenate([np.flatnonzero(labels == label)[: 90 if label < 5 else 30] for label in range(10)])
    np.savez(path, x=images[rows], y=labels[rows])
    return path


def tiny_plan(source: Path) -> dict:
    return {
        "source": str(source),
        "kind": "image",
        "budget": {"minutes": 20, "trials": 3, "rounds": 1},
        "collect": {"name": "digits", "provenance": {"license": "CC-BY-4.0"}},
        "augment": {"policies": ["light"]},
        "train": {"families": {"vae": {"parameters": TINY}}, "minutes": 1},
        "refine": {"filter": [True], "compression": ["none"]},
        "mint": {"samples": 200},
        "evaluate": {"seeds": 1, "probe_steps": 20, "trial_probe_steps": 10},
    }


@pytest.mark.timeout(600)
def test_loop_from_a_raw_file_to_what_is_shipped_although_its_worker_is_killed(client, services, source, tmp_path):
    job = client.pipeline.create_loop_job(tiny_plan(source))
    killed = set()
    for event in client.jobs.watch(job.name):
        phase = event.progress.phase.partition(":")[0].rpartition("/")[2]
        # Once in the middle of each sort of step that says how far it is.
        if phase and phase not in killed:
            killed.add(phase)
            for pid in children_of(services.services["pipeline"].pid):
                os.kill(pid, signal.SIGKILL)
    done = client.jobs.get(job.name)
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED, done.error
    assert {"collect", "train", "evaluate"} <= killed
    assert done.attempts >= 3

    loop = client.pipeline.get_loop(done.result)
    assert [(trial.stage, trial.state) for trial in loop.trials] == [
        (stage, loop_pb2.LOOP_TRIAL_STATE_COMPLETE) for stage in ("policies", "generators", "mixes")
    ], [trial.note for trial in loop.trials]
    for service in ("catalog", "training", "evaluation"):
        jobs = [found.name for found in client.jobs.list(service)]
        assert sorted(step.job for step in loop.steps if step.job.startswith(f"jobs/{service}")) == sorted(jobs)

    (ended,) = loop.rounds
    synthetic = client.catalog.get_dataset(ended.synthetic_dataset)
    assert [(split.name, split.record_count) for split in synthetic.splits] == [("train", 200)]
    assert set(synthetic.splits[0].class_counts) == {20}
    assert synthetic.provenance.license == "CC-BY-4.0"
    assert "recipe.json" in {artifact.name for artifact in synthetic.artifacts}
    evaluation = client.catalog.get_evaluation(ended.evaluation)
    assert evaluation.subject == ended.model
    assert ended.passed == evaluation.passed

    # Noise does not help, and the loop says so.
    decision = loop.decision
    assert decision.outcome == loop_pb2.LOOP_OUTCOME_BASELINE
    assert client.catalog.get_dataset(decision.dataset).record_count >= 400
    assert not any(model.promoted for model in client.catalog.list_models())
    for artifact in loop.artifacts:
        client.pipeline.download_loop_report(loop.name, artifact, tmp_path / artifact.name)
    assert b"Do without samples" in (tmp_path / "loop.html").read_bytes()


def test_cancelled_loop_cancels_the_job_of_the_other_service(client, services, source):
    plan = tiny_plan(source)
    plan["train"]["families"]["vae"]["parameters"] = {"steps": 1_000_000}
    job = client.pipeline.create_loop_job(plan)
    for event in client.jobs.watch(job.name):
        if "/train" in event.progress.phase:
            client.jobs.cancel(job.name)
    assert client.jobs.get(job.name).state == job_pb2.JOB_STATE_CANCELLED
    newest = next(client.jobs.list("training"))
    assert newest.state in (job_pb2.JOB_STATE_CANCELLED, job_pb2.JOB_STATE_CANCELLING)


@pytest.mark.timeout(600)
def test_one_trace_follows_a_loop_from_the_command_through_the_services(client, services, collector, source, tmp_path):
    plan = tiny_plan(source) | {"augment": {"policies": ["none"]}}
    (tmp_path / "loop.yaml").write_text(json.dumps(plan))
    addresses = [f"--address={name}={service.address}" for name, service in services.services.items()]
    command = [sys.executable, "-m", "synthmill.cli", "loop", "run", str(tmp_path / "loop.yaml"), "--json", *addresses]
    begun = subprocess.run(command, capture_output=True, env={**os.environ, **collector.env}, check=True)
    job = json.loads(begun.stdout)["name"]
    (root,) = [span for span in collector.spans() if span.name == "synthmill loop"]

    def found() -> dict[str, Collected]:
        return {
            f"{span.service} {span.kind} {span.name}": span for span in collector.spans() if span.trace == root.trace
        }

    expected = {
        "synthmill-pipeline SERVER synthmill.v1.PipelineService/CreateLoopJob",
        "synthmill-pipeline CLIENT synthmill.v1.TrainingService/CreateTrainingJob",
        "synthmill-training SERVER synthmill.v1.TrainingService/CreateTrainingJob",
        "synthmill-training INTERNAL job train",
        "synthmill-training CLIENT synthmill.v1.CatalogService/PublishModel",
        "synthmill-catalog SERVER synthmill.v1.CatalogService/PublishModel",
        "synthmill-pipeline CLIENT synthmill.v1.EvaluationService/CreateEvaluationJob",
        "synthmill-evaluation INTERNAL job evaluate",
        "synthmill-sampling SERVER synthmill.v1.SamplingService/StreamSamples",
        "synthmill-catalog SERVER synthmill.v1.CatalogService/PublishEvaluation",
    }
    until(lambda: expected <= set(found()) or client.jobs.get(job).state in FINAL, 400)
    assert expected - set(found()) == set()
    client.jobs.cancel(job)
    until(lambda: "synthmill-pipeline INTERNAL job loop" in found(), 60)
    published = found()["synthmill-catalog SERVER synthmill.v1.CatalogService/PublishModel"]
    on_the_way = [span.service for span in with_ancestors(published, collector.spans())]
    assert list(dict.fromkeys(on_the_way)) == [
        "synthmill-catalog",
        "synthmill-training",
        "synthmill-pipeline",
        "synthmill-cli",
    ]


def with_ancestors(span: Collected, spans: list[Collected]) -> Iterator[Collected]:
    """Yields a span, what it is part of, and so on up to the whole."""
    by_id = {span.id: span for span in spans}
    while True:
        yield span
        if not span.parent:
            return
        span = by_id[span.parent]
