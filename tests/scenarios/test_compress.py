"""A trained model is compressed, judged and published by real services, or refused with its figures."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from unit.graph.generators import dense_generator

from synthmill.runtime.errors import FailedPrecondition, InvalidField, NotFound
from synthmill.runtime.structs import from_struct
from synthmill.v1 import job_pb2

QUICK = {"fine_tune_steps": 5, "probe_steps": 10, "calibration_samples": 64, "judge_samples": 200}


@pytest.fixture(scope="session")
def compressed(client, model) -> tuple[job_pb2.Job, list[job_pb2.JobEvent]]:
    events: list[job_pb2.JobEvent] = []
    job = client.training.create_compression_job(model, ["int8", "prune"], parameters=QUICK, max_loss=100)
    return client.jobs.wait(job.name, on_event=events.append), events


@pytest.fixture(scope="session")
def imported(client, services) -> str:
    path = services.folder / "foreign.onnx"
    onnx.save(dense_generator(labels=3, finished=False), str(path))
    labels = ["circle", "square", "triangle"]
    return client.jobs.wait(client.catalog.import_model("foreign", path, kind="image", labels=labels).name).result


def read(client, version: str, name: str, folder) -> bytes:
    found = client.catalog.get_model(version)
    artifact = next(artifact for artifact in found.artifacts if artifact.name == name)
    client.catalog.download_artifact(found.name, artifact, folder / name)
    return (folder / name).read_bytes()


def test_the_result_is_another_version_of_the_same_model(client, model, dataset, compressed):
    job, _ = compressed
    before, after = client.catalog.get_model(model), client.catalog.get_model(job.result)
    assert after.name != before.name
    assert after.name.split("/")[1] == before.name.split("/")[1]
    assert (after.kind, after.family, list(after.labels)) == (before.kind, before.family, list(before.labels))
    assert (after.dataset, after.job) == (dataset, job.name)
    metrics = from_struct(after.metrics)
    assert metrics["bytes_after"] < metrics["bytes_before"]
    assert {"tstr_before", "tstr_after", "loss_points", "speed_ratio_256", "speed_ratio_1024"} <= set(metrics)


def test_the_card_shows_before_and_after(client, compressed, tmp_path):
    job, _ = compressed
    card = json.loads(read(client, job.result, "card.json", tmp_path))
    assert card["compression"]["methods"] == ["prune", "int8"]
    assert card["compression"]["judged_on"].endswith("split test")
    figures = {row["figure"].split(",")[0]: row for row in card["compression"]["before_after"]}
    assert set(figures["samples per second"]) == {"figure", "before", "after", "ratio"}
    assert "| Figure | Before | After |" in read(client, job.result, "card.md", tmp_path).decode()


def test_the_job_tells_how_it_goes_and_what_was_measured(compressed):
    _, events = compressed
    phases = {event.progress.phase for event in events if event.HasField("progress")}
    assert {"fine-tuning", "calibrating", "drawing samples", "judging the result", "measuring speed"} <= phases
    messages = [event.message for event in events if event.message]
    assert any("a loss of" in text for text in messages)
    assert any("samples a second before" in text for text in messages)


def test_samples_of_the_result_are_served_and_resemble_those_of_the_original(client, model, compressed):
    job, _ = compressed
    before, after = (client.sampling.sample(name, 64)["image"].astype(int) for name in (model, job.result))
    assert before.shape == after.shape
    strangers = np.abs(before - np.roll(before, 1, axis=0)).mean()
    assert 0 < np.abs(before - after).mean() < strangers
    again = client.sampling.sample(job.result, 10, start_index=20)["image"]
    assert np.array_equal(again, after[20:30])


def test_too_great_a_loss_publishes_nothing(client, imported):
    job = client.training.create_compression_job(imported, max_loss=0, parameters=QUICK)
    with pytest.raises(FailedPrecondition, match=r"not published: .*differ by .* allowed: 0") as refusal:
        client.jobs.wait(job.name)
    assert float(refusal.value.metadata["loss"]) > 0
    assert len(list(client.catalog.list_models("models/foreign"))) == 1


def test_an_imported_model_is_compared_with_itself(client, imported, tmp_path):
    for method in ("int8", "fp16"):
        job = client.jobs.wait(client.training.create_compression_job(imported, [method], max_loss=5).name)
        metrics = from_struct(client.catalog.get_model(job.result).metrics)
        assert 0 < metrics["difference_points"] < 5
        assert "foreign" in read(client, job.result, "card.md", tmp_path).decode()


def test_a_second_request_with_the_same_id_gets_the_first_one_s_job(client, imported):
    request_id = "22222222-2222-4333-8444-555555555555"
    jobs = {client.training.create_compression_job(imported, ["fp16"], request_id=request_id).name for _ in range(3)}
    assert len(jobs) == 1
    client.jobs.wait(jobs.pop())


def test_what_cannot_be_done_is_refused_before_there_is_a_job(client, model, dataset, imported):
    create = client.training.create_compression_job
    with pytest.raises(NotFound):
        create("nothing")
    with pytest.raises(NotFound):
        create(model, dataset="nothing")
    with pytest.raises(InvalidField, match="methods"):
        create(model, ["int4"])
    with pytest.raises(InvalidField, match=r"parameters\.prune_share"):
        create(model, ["prune"], parameters={"prune_share": 2})
    for bound in (-1.0, float("nan")):
        with pytest.raises(InvalidField, match="max_loss"):
            create(model, max_loss=bound)
    with pytest.raises(FailedPrecondition, match="cannot be pruned"):
        create(imported, ["prune"])
    with pytest.raises(FailedPrecondition, match="do not have the same classes"):
        create(imported, dataset=dataset)


def test_a_dry_run_resolves_everything(client, model, dataset):
    job = client.training.create_compression_job(model, ["prune"], parameters={"probe_seeds": "5"}, validate_only=True)
    found = from_struct(job.parameters)
    assert (job.name, found["methods"], found["max_loss"]) == ("", ["prune"], 0.5)
    assert (found["model"], found["dataset"], found["split"]) == (model, dataset, "test")
    assert found["parameters"]["probe_seeds"] == 5
    assert found["parameters"]["prune_share"] == 0.25
