"""From a folder of images to a stream of samples, through six public steps."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from google.protobuf import json_format
from PIL import Image

from support.studio import start_training
from synthmill.client import dataset_spec
from synthmill.v1 import job_pb2


def test_dataset_is_what_was_imported(client, dataset):
    version = client.catalog.get_dataset(dataset)
    assert version.labels == [str(digit) for digit in range(10)]
    assert version.record_count == version.report.kept_count
    assert (version.provenance.license, version.provenance.origin) == ("CC-BY-4.0", "scikit-learn")


@pytest.mark.parametrize("family", ["gan", "vae"])
def test_training_reports_and_publishes_with_lineage(client, dataset, family, tmp_path):
    events, pictures = [], []

    def see(event: job_pb2.JobEvent) -> None:
        events.append(event)
        if event.progress.HasField("picture") and not pictures:
            pictures.append(client.jobs.read_picture(start.name))

    start = start_training(client, family, model=f"lineage-{family}")
    job = client.jobs.wait(start.name, on_event=see)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert any(event.progress.metrics for event in events)
    for picture in (*pictures, client.jobs.read_picture(job.name)):
        assert Image.open(io.BytesIO(picture)).text["Source"].startswith(job.name)
    model = client.catalog.get_model(job.result)
    assert (model.dataset, model.job, model.family) == (dataset, job.name, family)
    artifacts = {artifact.name: artifact for artifact in model.artifacts}
    pictures = {"samples.png", "samples.gif"}
    written = {"card.json", "card.md", "run.json", "history.csv", "history.tfevents"}
    assert set(artifacts) == {"sampler.onnx", "weights.safetensors"} | pictures | written
    client.catalog.download_artifact(model.name, artifacts["card.json"], tmp_path / "card.json")
    card = (tmp_path / "card.json").read_text()
    assert dataset in card
    assert json.loads(card)["synthetic"]
    assert json_format.MessageToDict(model.metrics)["export_max_difference"] <= 1


def test_samples_have_the_labels_of_the_plan(client, model):
    batch = client.sampling.sample(model, 50)
    assert batch["image"].shape == (50, 8, 8, 1)
    assert batch["image"].dtype == np.uint8
    assert batch["label"].tolist() == [index % 10 for index in range(50)]
    assert set(client.sampling.sample(model, 20, labels="7")["label"]) == {7}
    exact = np.concatenate([each["label"] for each in client.sampling.iter_batches(model, 60, labels="3=50,8=10")])
    assert np.bincount(exact, minlength=10).tolist() == [0, 0, 0, 50, 0, 0, 0, 0, 10, 0]


def test_balance_fills_every_class_up_to_the_largest(client, model, services):
    from support.data import digits

    images, labels = digits()
    keep = (labels == 0) | (labels < 4) & (np.arange(len(labels)) % 4 == 0)
    np.savez(services.folder / "lopsided.npz", x=images[keep], y=labels[keep])
    spec = dataset_spec("lopsided", "image", parameters={"test_fraction": 0.2})
    name = client.jobs.wait(client.catalog.import_dataset(spec, str(services.folder / "lopsided.npz")).name).result
    (train,) = [split for split in client.catalog.get_dataset(name).splits if split.name == "train"]
    lacking = [max(train.class_counts) - count for count in train.class_counts]
    found = client.sampling.count_labels(model, labels=f"balance:{name}")
    assert [found[str(digit)] for digit in range(4)] == lacking
    assert sum(found.values()) == sum(lacking)


def test_same_request_id_makes_one_job_and_one_version(client, dataset):
    request_id = "11111111-2222-4333-8444-555555555555"
    arguments = {"model": "once", "parameters": {"steps": 3, "width": 8}, "request_id": request_id}
    jobs = {client.training.create_training_job(dataset, "gan", **arguments).name for _ in range(5)}
    assert len(jobs) == 1
    client.jobs.wait(jobs.pop())
    assert len(list(client.catalog.list_models("models/once"))) == 1
