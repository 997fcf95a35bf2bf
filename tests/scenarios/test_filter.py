"""A trained model gets opinions and a filter from real services, and what the filter keeps is better."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from support.data import digits
from support.studio import client_of, start_training
from synthmill.client import SampleDataset, sample_filter
from synthmill.client.batches import join
from synthmill.runtime.errors import FailedPrecondition, InvalidField, NotFound
from synthmill.runtime.structs import from_struct
from synthmill.v1 import job_pb2

QUICK = {"opinion_steps": 300, "probe_steps": 10, "probe_seeds": 2, "judge_samples": 200, "attempts": 4}
COUNT, SEED = 1500, 2**64 - 7
STRICT = sample_filter(min_confidence=0.9, attempts=16)


@pytest.fixture(scope="module")
def model(client, dataset) -> str:
    """A generator whose samples are good enough to differ in how good they are."""
    how = {"steps": 120, "batch_size": 32, "latent_size": 16}
    return client.jobs.wait(start_training(client, model="legible", **how).name).result


@pytest.fixture(scope="module")
def job(client, model) -> tuple[job_pb2.Job, list[job_pb2.JobEvent]]:
    events: list[job_pb2.JobEvent] = []
    job = client.training.create_filtering_job(model, parameters=QUICK)
    return client.jobs.wait(job.name, on_event=events.append), events


@pytest.fixture(scope="module")
def filtered(job) -> str:
    return job[0].result


@pytest.fixture(scope="module")
def whole(client, filtered):
    return join(list(client.sampling.iter_batches(filtered, COUNT, seed=SEED, filter=STRICT)))


def read(client, version: str, name: str, folder) -> bytes:
    found = client.catalog.get_model(version)
    artifact = next(artifact for artifact in found.artifacts if artifact.name == name)
    client.catalog.download_artifact(found.name, artifact, folder / name)
    return (folder / name).read_bytes()


def test_the_result_is_another_version_of_the_same_model_with_the_same_columns(client, model, dataset, job):
    ended, events = job
    before, after = client.catalog.get_model(model), client.catalog.get_model(ended.result)
    assert after.name != before.name
    assert after.name.split("/")[1] == before.name.split("/")[1]
    assert (after.kind, after.family, list(after.labels)) == (before.kind, before.family, list(before.labels))
    assert list(after.columns) == list(before.columns)
    assert (after.dataset, after.job) == (dataset, ended.name)
    assert {"filter_min_confidence", "tstr_unfiltered", "tstr_at_confidence_0.9"} <= set(from_struct(after.metrics))
    phases = {event.progress.phase for event in events if event.HasField("progress")}
    assert {"training the probe", "drawing candidates", "judging no filter", "judging confidence 0.99"} <= phases
    assert any("pass at once" in event.message for event in events)


def test_card_and_lineage_say_what_it_filters(client, model, dataset, filtered, tmp_path):
    card = json.loads(read(client, filtered, "card.json", tmp_path))
    assert (card["lineage"]["filtered_from"], card["lineage"]["filtered_by"]) == (model, dataset)
    assert card["lineage"]["filtered_from_digest"] == client.catalog.get_model(model).digest
    assert "did not learn from" in card["filter"]["judged_on"]
    assert "critic" in card["filter"]["opinions"]
    assert "## Filter" in read(client, filtered, "card.md", tmp_path).decode()


def test_without_a_filter_samples_are_those_of_the_source(client, model, filtered):
    source, found = (client.sampling.sample(name, COUNT, seed=SEED) for name in (model, filtered))
    assert found.columns.keys() == source.columns.keys()
    assert all(found[name].tobytes() == source[name].tobytes() for name in source.columns)


def test_first_candidates_are_the_bytes_of_the_source(client, model, whole):
    source = client.sampling.sample(model, COUNT, seed=SEED)
    first = whole["attempt"] == 0
    assert 0 < first.sum() < COUNT
    assert whole["image"][first].tobytes() == source["image"][first].tobytes()
    assert whole["label"].tobytes() == source["label"].tobytes()
    assert (whole["confidence"][whole["passed"]] >= np.float32(0.9)).all()
    assert (whole["confidence"][~whole["passed"]] < np.float32(0.9)).all()
    assert set(whole["attempt"][~whole["passed"]]) <= set(range(16))


def test_another_classifier_agrees_with_the_labels_of_filtered_samples_more_often(client, filtered, whole):
    images, labels = digits()
    # Of records that neither generator nor probe has seen, and of another sort.
    judge = LogisticRegression(max_iter=200).fit(images[400:].reshape(-1, 64) / 255.0, labels[400:])
    plain = client.sampling.sample(filtered, COUNT, seed=SEED)
    agreements = [judge.score(batch["image"].reshape(-1, 64) / 255.0, batch["label"]) for batch in (plain, whole)]
    assert 1 - agreements[1] < 0.95 * (1 - agreements[0])


def test_score_is_an_opinion_too(client, filtered):
    found = client.sampling.sample(filtered, 200, filter=sample_filter(min_score=0.0, attempts=2))
    assert found["score"].dtype == np.float32
    assert (found["passed"] == (found["score"] >= 0)).all()


def test_counts_of_labels_are_exact_under_a_filter(client, filtered):
    plan = "1=30,8=50"
    found = client.sampling.sample(filtered, 80, labels=plan, filter=STRICT)
    assert np.bincount(found["label"], minlength=10).tolist() == [0, 30, 0, 0, 0, 0, 0, 0, 50, 0]
    assert client.sampling.count_labels(filtered, labels=plan) == client.sampling.count_labels(
        filtered, 80, labels=plan
    )


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_batch_size_and_place_make_no_difference(client, filtered, whole, batch_size):
    again = join(list(client.sampling.iter_batches(filtered, COUNT, batch_size=batch_size, seed=SEED, filter=STRICT)))
    assert all(again[name].tobytes() == whole[name].tobytes() for name in whole.columns)
    for index in (0, 17, 1024, COUNT - 1):
        alone = client.sampling.sample(filtered, 1, start_index=index, seed=SEED, filter=STRICT)
        assert all(alone[name].tobytes() == whole[name][index].tobytes() for name in whole.columns)


def test_service_killed_in_the_middle_of_a_filtered_stream_is_not_noticed(services, filtered, whole):
    services.add("sampling", "unlucky", ["--threads", "1", "--workers", "1"])
    with client_of(services, sampling="unlucky") as client:
        client.sampling.sample(filtered, 1, filter=STRICT)
        taken = []
        for batch in client.sampling.iter_batches(filtered, COUNT, batch_size=100, seed=SEED, filter=STRICT):
            taken.append(batch)
            if len(taken) == 3:
                services.services["unlucky"].kill()
                services.services["unlucky"].restart()
    services.services.pop("unlucky").stop()
    again = join(taken)
    assert all(again[name].tobytes() == whole[name].tobytes() for name in whole.columns)


def test_a_manifest_makes_the_same_filtered_files_again(client, filtered, tmp_path):
    manifest = client.write_samples(filtered, tmp_path / "a", 600, shard_rows=200, seed=5, filter=STRICT)
    assert sum(manifest["filter_counts"].values()) == 600
    recipe = manifest["recipe"]
    where = {name: recipe[name] for name in ("count", "seed", "start_index")}
    by = sample_filter(**recipe["filter"])
    again = client.write_samples(manifest["model"]["name"], tmp_path / "b", **where, shard_rows=200, filter=by)
    assert again == manifest
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").glob("*.parquet")} == {
        path.name: path.read_bytes() for path in (tmp_path / "b").glob("*.parquet")
    }


def test_every_epoch_of_a_dataset_has_fresh_filtered_samples(client, filtered):
    dataset = SampleDataset(client, filtered, 50, seed=3, filter=STRICT)
    epochs = []
    for epoch in (0, 1, 0):
        dataset.set_epoch(epoch)
        epochs.append(np.stack([item["image"] for item in dataset[:]]).tobytes())
    assert epochs[0] == epochs[2] != epochs[1]


def test_what_cannot_be_done_is_refused_before_there_is_a_job(client, model, dataset):
    create = client.training.create_filtering_job
    with pytest.raises(NotFound):
        create("nothing")
    with pytest.raises(NotFound):
        create(model, dataset="nothing")
    with pytest.raises(InvalidField, match=r"parameters\.attempts"):
        create(model, parameters={"attempts": 100})
    resolved = from_struct(create(model, validate_only=True).parameters)
    assert (resolved["model"], resolved["dataset"], resolved["held_out"]) == (model, dataset, "")
    assert resolved["parameters"]["attempts"] == 8


def test_a_version_without_opinions_says_how_to_get_them(client, model):
    for by in (True, STRICT):
        with pytest.raises(FailedPrecondition, match="synthmill filter") as refusal:
            client.sampling.sample(model, 1, filter=by)
        assert refusal.value.metadata["field"] == "filter"
