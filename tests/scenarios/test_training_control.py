"""Training jobs end when they were asked to, say what they find, and bring what proves it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from support.studio import DATASET, TINY
from synthmill.client import dataset_spec
from synthmill.runtime.errors import FailedPrecondition, InvalidField


def follow(client, job) -> tuple[object, list[str]]:
    """Waits for a job; returns it and what it said."""
    said = []
    ended = client.jobs.wait(job.name, on_event=lambda event: said.append(event.message))
    return ended, [text for text in said if text]


def card_of(client, job, folder) -> dict:
    model = client.catalog.get_model(job.result)
    (card,) = [artifact for artifact in model.artifacts if artifact.name == "card.json"]
    client.catalog.download_artifact(model.name, card, folder / "card.json")
    return json.loads((folder / "card.json").read_text())


def test_a_time_ends_a_job_of_the_family_that_auto_chose(client, dataset, tmp_path):
    given = {"width": 8, "latent_size": 8, "validation_interval": 20}
    job = client.training.create_training_job(DATASET, "auto", model="timed", parameters=given, budget_s=6)
    assert job.parameters["parameters"]["steps"] == 100_000_000
    ended, said = follow(client, job)
    assert said[0] == job.parameters["why"]
    assert ": tstr 0." in said[1]
    card = card_of(client, ended, tmp_path)
    assert card["training"]["ended_by"] == "time"
    assert 5.5 < card["training"]["seconds"] < 12
    assert card["lineage"]["why_this_family"] == said[0]
    # The steps that were decided are told, so that the time left can be.
    assert 0 < ended.progress.total < 100_000


def test_a_target_ends_a_job(client, dataset, tmp_path):
    given = {**TINY, "steps": 5000, "validation_interval": 10}
    job = client.training.create_training_job(
        DATASET, "vae", model="good-enough", parameters=given, target={"tstr": 0.11}
    )
    ended, said = follow(client, job)
    assert said[-1] == "tstr has reached 0.11: the run ends here"
    card = card_of(client, ended, tmp_path)
    assert card["training"]["ended_by"] == "target"
    assert card["metrics"]["tstr"] >= 0.11


def test_what_cannot_be_trained_is_refused_before_there_is_a_job(client, services, dataset):
    with pytest.raises(InvalidField, match="budget"):
        client.training.create_training_job(DATASET, "gan", budget_s=0.2)
    with pytest.raises(InvalidField, match=r"target\.figure"):
        client.training.create_training_job(DATASET, "gan", target={"fidelity": 0.9})
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (43, 8, 8), np.uint8), np.array([0] * 40 + [1] * 3)
    np.savez(services.folder / "three.npz", x=images, y=labels)
    spec = dataset_spec("three", "image", parameters={"test_fraction": 0.0})
    name = client.jobs.wait(client.catalog.import_dataset(spec, str(services.folder / "three.npz")).name).result
    with pytest.raises(FailedPrecondition, match=r"fewer than 8 training records in 1 \(3\)"):
        client.training.create_training_job(name, "gan")
    job = client.training.create_training_job(name, "gan", parameters={"min_class_records": 3, "steps": 1, "width": 8})
    client.jobs.wait(job.name)


@pytest.mark.slow
def test_a_job_of_two_processes(client, dataset, tmp_path):
    job = client.training.create_training_job(DATASET, "gan", model="shared", parameters=TINY, processes=2)
    ended, _ = follow(client, job)
    assert card_of(client, ended, tmp_path)["training"]["processes"] == 2
