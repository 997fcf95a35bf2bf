"""Augmentation over real services: streams that are cut, and datasets whose workers are killed."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from support.cluster import Cluster, children_of
from synthmill.client import AugmentedDataset, Client, dataset_spec
from synthmill.kinds.policy_messages import to_mapping
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import AlreadyExists, Cancelled, FailedPrecondition, InvalidField, OutOfRange
from synthmill.v1 import dataset_pb2, job_pb2

POLICY = {
    "border": "reflect",
    "steps": [
        {"op": "rotate", "degrees": [-20, 20]},
        {"one_of": [{"op": "brightness"}, {"op": "gaussian_blur"}, {"op": "elastic"}], "probability": 0.8},
    ],
}
# Enough for a second or two, so that something can happen in between.
COPIES = 40
WITHIN_S = 60.0
SEED = 2**64 - 5


@pytest.fixture(scope="module")
def train(client, dataset) -> dict[str, np.ndarray]:
    """The training records of the digits."""
    batches = list(client.catalog.read_records(dataset))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in ("image", "label")}


def in_process(images, indices, policy=POLICY, seed=SEED) -> list[np.ndarray]:
    side = get_kind("image").augmentation()
    examples = [side.to_example({"image": image}) for image in images]
    return [example.image for example in side.open(side.policy(policy)).augment(examples, indices, seed)]


def finished(client: Client, job: job_pb2.Job) -> dataset_pb2.Dataset:
    return client.catalog.get_dataset(client.jobs.wait(job.name).result)


def begin(client: Client, dataset: str, name: str, policy=POLICY, **given) -> job_pb2.Job:
    return client.augmentation.create_augmentation_job(dataset, policy, name=name, seed=SEED, **given)


def records_of(client: Client, dataset: str, split: str = "train") -> dict[str, np.ndarray]:
    batches = list(client.catalog.read_records(dataset, split=split))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in ("image", "label")}


def test_results_are_the_same_over_the_wire_and_in_process(client, train):
    images = train["image"]
    wanted = np.stack(in_process(images, range(len(images))))
    assert np.array_equal(client.augmentation.augment(images, POLICY, seed=SEED), wanted)
    part = client.augmentation.augment(list(images[100:105]), POLICY, seed=SEED, start_index=100)
    assert np.array_equal(np.stack(part), wanted[100:105])
    streamed = client.augmentation.iter_augmented(({"image": image} for image in images), POLICY, seed=SEED)
    assert np.array_equal(np.stack([result["image"] for result in streamed]), wanted)
    items = [{"image": image, "label": int(label)} for image, label in zip(images, train["label"], strict=True)]
    for dataset in (
        AugmentedDataset(items, POLICY, client=client, seed=SEED),
        AugmentedDataset(items, POLICY, seed=SEED),
    ):
        found = dataset.__getitems__(range(len(items)))
        assert np.array_equal(np.stack([item["image"] for item in found]), wanted)
        assert [item["label"] for item in found] == train["label"].tolist()


def test_stream_goes_on_where_it_was_cut(client, services, train):
    service = services.services["augmentation"]
    restarted = threading.Thread(target=service.restart)

    def cut_in_the_middle():
        for position in range(1500):
            if position == 700:
                service.kill()
                restarted.start()
            yield {"image": train["image"][position % len(train["image"])]}

    found = list(client.augmentation.iter_augmented(cut_in_the_middle(), POLICY, seed=SEED))
    restarted.join()
    assert [result.index for result in found] == list(range(1500))
    images = [train["image"][position % len(train["image"])] for position in range(1500)]
    assert np.array_equal(np.stack([result["image"] for result in found]), np.stack(in_process(images, range(1500))))


def test_bad_record_of_a_stream_is_told_and_the_others_have_results(client, train):
    image = train["image"][0]
    records = [{"image": image} for _ in range(10)]
    records[3] = {"image": image[:0]}
    records[5] = {"image": image, "boxes": [[0, 0, 9, 4]]}
    records[7] = {"encoded": b"no picture"}
    records[8] = {"image": np.zeros((1, 50_000, 1), np.uint8)}
    found = list(client.augmentation.iter_augmented(iter(records), POLICY, seed=SEED, return_errors=True))
    told = {result.index: result.error.metadata["field"] for result in found if result.error}
    assert told == {3: "image", 5: "boxes[0]", 7: "encoded", 8: "image"}
    [seventh] = client.augmentation.augment_records([records[9]], POLICY, seed=SEED, start_index=9)
    assert np.array_equal(found[9]["image"], seventh["image"])


def test_bad_policies_and_labels_are_told_by_their_fields(client, dataset, train):
    for policy, field in (
        ({"steps": [{"op": "rotat"}]}, "policy.steps[0].op"),
        ({"steps": [{"op": "grey"}, {"op": "rotate", "probability": 1.5}]}, "policy.steps[1].probability"),
    ):
        for ask in (
            lambda policy=policy: client.augmentation.augment(train["image"][:1], policy),
            lambda policy=policy: begin(client, dataset, "never", policy),
        ):
            with pytest.raises(InvalidField) as refusal:
                ask()
            assert refusal.value.metadata["field"] == field
    mixing = {"steps": [{"op": "mixup"}]}
    record = {"image": train["image"][0], "label": np.array([0.5, 0.5], np.float32)}
    with pytest.raises(InvalidField, match="label") as refusal:
        client.augmentation.augment_records([record], mixing, pool=dataset)
    assert refusal.value.metadata["index"] == "0"
    with pytest.raises(FailedPrecondition, match=r"policy\.steps\[0\]: mixup"):
        begin(client, dataset, "never", mixing)
    with pytest.raises(FailedPrecondition, match="there is no pool"):
        client.augmentation.augment(train["image"][:1], mixing)


def test_records_are_mixed_with_a_dataset(client, dataset, train):
    label = np.eye(10, dtype=np.float32)[train["label"][:50]]
    records = [{"image": image, "label": shares} for image, shares in zip(train["image"][:50], label, strict=True)]
    policy = {"steps": [{"op": "mixup"}]}
    found = client.augmentation.augment_records(records, policy, pool="digits", seed=SEED)
    again = list(client.augmentation.iter_augmented(iter(records), policy, pool=dataset, seed=SEED))
    assert all(np.array_equal(one["image"], other["image"]) for one, other in zip(found, again, strict=True))
    shares = np.stack([result["label"] for result in found])
    assert ((shares > 0).sum(axis=1) == 2).any()
    assert np.allclose(shares.sum(axis=1), 1)


def test_preview_is_drawn_of_a_file(client, train):
    file = io.BytesIO()
    Image.fromarray(train["image"][0, :, :, 0]).save(file, "PNG")
    picture = client.augmentation.preview({"encoded": file.getvalue()}, POLICY, count=7, columns=4)
    with Image.open(io.BytesIO(picture)) as grid:
        assert grid.format == "PNG"


def test_policies_that_are_ready_made_serve_as_they_are(client, train):
    for policy in client.augmentation.list_ready_made_policies("image"):
        by_name = client.augmentation.augment(list(train["image"][:3]), policy.name, seed=1)
        by_message = client.augmentation.augment(list(train["image"][:3]), policy.policy, seed=1)
        by_mapping = client.augmentation.augment(list(train["image"][:3]), to_mapping(policy.policy), seed=1)
        for other in (by_message, by_mapping):
            assert all(np.array_equal(one, same) for one, same in zip(by_name, other, strict=True)), policy.name


def test_balanced_dataset_has_exact_counts_and_other_splits_as_they_were(client, dataset, train):
    source = client.catalog.get_dataset(dataset)
    found = finished(client, begin(client, dataset, "balanced", balance=True))
    sizes = {split.name: list(split.class_counts) for split in source.splits}
    assert {split.name: list(split.class_counts) for split in found.splits} == {
        "train": [max(sizes["train"])] * 10,
        "test": sizes["test"],
    }
    records = records_of(client, found.name)
    count = len(train["image"])
    assert np.array_equal(records["image"][:count], train["image"])
    assert np.array_equal(records["label"][:count], train["label"])
    kept = {artifact.name: artifact.sha256 for artifact in source.artifacts if artifact.name.startswith("test.")}
    assert kept.items() <= {artifact.name: artifact.sha256 for artifact in found.artifacts}.items()
    assert found.provenance == source.provenance
    assert found.schema == source.schema
    assert found.job.startswith("jobs/augmentation-")


def test_every_record_tells_where_it_comes_from_and_can_be_made_again(client, dataset):
    found = finished(client, begin(client, dataset, "traced", records_per_class=50))
    records = records_of(client, found.name)
    originals = client.catalog.get_dataset(dataset).splits[0].record_count
    first = client.augmentation.get_lineage(found.name, 3)
    assert (first.source, first.source_record, first.is_original) == (dataset, 3, True)
    for position in (originals, originals + 77, len(records["image"]) - 1):
        lineage = client.augmentation.get_lineage(found.name, position)
        assert (lineage.source, lineage.seed, lineage.is_original) == (dataset, SEED, False)
        assert lineage.operations[0].name == "rotate"
        assert -20 <= lineage.operations[0].values["degrees"] <= 20
        [source] = client.catalog.read_records(dataset, start_index=lineage.source_record, count=1)
        given = [{"image": source["image"][0]}]
        [again] = client.augmentation.augment_records(given, lineage.policy, seed=lineage.seed, indices=[lineage.index])
        assert again["image"].tobytes() == records["image"][position].tobytes()
        assert source["label"][0] == records["label"][position]
        assert client.augmentation.resolve_policy(lineage.policy).digest == lineage.policy_digest
    with pytest.raises(OutOfRange, match="record"):
        client.augmentation.get_lineage(found.name, len(records["image"]))
    with pytest.raises(FailedPrecondition, match="not made by augmentation"):
        client.augmentation.get_lineage(dataset, 0)


@pytest.fixture(scope="module")
def uninterrupted(client, dataset) -> dataset_pb2.Dataset:
    return finished(client, begin(client, dataset, "uninterrupted", copies=COPIES))


def wait_for_results(client: Client, name: str) -> None:
    """Waits until a job has made some of its results."""
    deadline = time.monotonic() + WITHIN_S
    while (progress := client.jobs.get(name).progress).phase != "augment" or not progress.done:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kill_worker(client: Client, services: Cluster, name: str) -> None:
    for pid in children_of(services.services["augmentation"].pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_service(client: Client, services: Cluster, name: str) -> None:
    services.services["augmentation"].kill()
    services.services["augmentation"].restart()


def cancel_and_resume(client: Client, services: Cluster, name: str) -> None:
    client.jobs.cancel(name)
    with contextlib.suppress(Cancelled):
        client.jobs.wait(name)
    client.jobs.resume(name)


@pytest.mark.parametrize("interrupt", [kill_worker, kill_service, cancel_and_resume])
def test_interrupted_job_goes_on_and_ends_with_the_same_bytes(
    client, services, dataset, uninterrupted, interrupt: Callable[[Client, Cluster, str], None]
):
    job = begin(client, dataset, f"interrupted-by-{interrupt.__name__.replace('_', '-')}", copies=COPIES)
    wait_for_results(client, job.name)
    interrupt(client, services, job.name)
    found = finished(client, job)
    assert client.jobs.get(job.name).attempts > 1
    assert found.digest == uninterrupted.digest
    assert [(a.name, a.sha256) for a in found.artifacts] == [(a.name, a.sha256) for a in uninterrupted.artifacts]
    assert found.splits[0].record_count == (COPIES + 1) * client.catalog.get_dataset(dataset).splits[0].record_count
    assert len(list(client.catalog.list_datasets(found.name.rpartition("/versions/")[0]))) == 1
    assert not (services.store / "scratch" / "augmentation" / job.name).exists()


def test_same_request_id_makes_one_job_and_one_version(client, dataset):
    given = {"copies": 1, "request_id": "11111111-2222-4333-8444-666666666666"}
    jobs = {begin(client, dataset, "one", **given).name for _ in range(5)}
    assert len(jobs) == 1
    finished(client, client.jobs.get(jobs.pop()))
    assert len(list(client.catalog.list_datasets("datasets/one"))) == 1
    with pytest.raises(AlreadyExists):
        begin(client, dataset, "one", **{**given, "copies": 2})


def test_results_of_another_size_need_a_dataset_of_their_own(client, dataset, services):
    resize = {"steps": [{"op": "resize", "height": 12, "width": 10}]}
    with pytest.raises(FailedPrecondition, match="add a step at the end"):
        finished(client, begin(client, dataset, "large", resize))
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
    np.savez(services.folder / "plain.npz", x=images)
    spec = dataset_spec("plain", "image", parameters={"test_fraction": 0.0})
    plain = client.jobs.wait(client.catalog.import_dataset(spec, str(services.folder / "plain.npz")).name).result
    found = finished(client, begin(client, plain, "large", resize, without_originals=True))
    assert dict(found.schema) == {"height": 12, "width": 10, "channels": 1}
    [batch] = client.catalog.read_records(found.name)
    assert np.array_equal(batch["image"], np.stack(in_process(images[..., None], range(30), resize)))
    mixed = finished(client, begin(client, plain, "mixed", {"steps": [{"op": "mixup"}]}, copies=2))
    assert mixed.record_count == 90
    oblong = {"steps": [{"op": "resize", "height": 12, "width": 10}, {"op": "transpose", "probability": 0.5}]}
    with pytest.raises(FailedPrecondition, match="results differ in size: image is"):
        finished(client, begin(client, plain, "large", oblong, without_originals=True))
