"""A folder of shards is gone on with, shared out and put together, and is the same whichever way it was made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from unit.client.fakes.faults import BREAK

from synthmill.client.bulk import WriteProgress
from synthmill.client.writers import FORMATS
from synthmill.client.writers.shard_folder import STATE, ShardFolder
from synthmill.runtime.errors import AlreadyExists, DataLoss, FailedPrecondition, InvalidField, OutOfRange, Unavailable
from synthmill.v1 import sampling_service_pb2 as pb

COUNT, ROWS = 2100, 300
RECIPE = {"count": COUNT, "seed": 7, "labels": "cat=900,dog=900,fox=300", "shard_rows": ROWS}


def contents(folder: Path) -> dict[str, bytes]:
    """Returns all files of a folder, the hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stop_after(count: int):
    def stop(now: WriteProgress) -> None:
        if not now.verifying and now.done - now.kept >= count:
            raise KeyboardInterrupt

    return stop


def streamed(services) -> int:
    """Returns how many samples were asked for in streams since it was asked last, and forgets them."""
    asked = [request.count for request in services.sampling.requests if isinstance(request, pb.StreamSamplesRequest)]
    services.sampling.requests.clear()
    return sum(asked)


@pytest.fixture(params=FORMATS)
def format_name(request) -> str:
    return request.param


@pytest.fixture
def whole(client, services, tmp_path) -> Path:
    """A folder that was written in one go."""
    client.write_samples("pets", tmp_path / "whole", **RECIPE)
    streamed(services)
    return tmp_path / "whole"


def test_interrupted_folder_is_gone_on_with_and_is_the_same(client, services, tmp_path, format_name):
    recipe = {**RECIPE, "format": format_name}
    client.write_samples("pets", tmp_path / "whole", **recipe)
    streamed(services)
    out = tmp_path / "out"
    for stop in (1000, 500):
        with pytest.raises(KeyboardInterrupt):
            client.write_samples("pets", out, **recipe, on_progress=stop_after(stop))
        assert not (out / "manifest.json").exists()
        assert not list(out.rglob("*.partial"))
    manifest = client.write_samples("pets", out, **recipe)
    assert contents(out) == contents(tmp_path / "whole")
    assert manifest == json.loads((out / "manifest.json").read_text())
    assert (manifest["row_count"], manifest["label_counts"]) == (COUNT, {"cat": 900, "dog": 900, "fox": 300})
    # Never more than the two shards that were under way each time are made again.
    assert streamed(services) <= COUNT + 2 * 2 * ROWS


def test_shards_that_are_there_are_verified_and_not_asked_for_again(client, services, whole):
    steps: list[WriteProgress] = []
    before = contents(whole)
    client.write_samples("pets", whole, **RECIPE, on_progress=steps.append)
    assert services.sampling.requests == []
    assert contents(whole) == before
    assert steps[0].verifying
    assert (steps[-1].done, steps[-1].kept, steps[-1].damaged) == (COUNT, COUNT, 0)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "record", "no manifest"])
def test_damaged_shards_are_made_again(client, services, whole, damage):
    before = contents(whole)
    shard = sorted(whole.glob("train-*"))[2]
    data = shard.read_bytes()
    if damage == "flipped":
        shard.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif damage == "cut":
        shard.write_bytes(data[:-1])
    elif damage == "gone":
        shard.unlink()
    elif damage == "record":
        (whole / STATE / f"{shard.stem.removeprefix('train-')}.json").write_text("{")
    else:
        (whole / "manifest.json").unlink()
    steps: list[WriteProgress] = []
    client.write_samples("pets", whole, **RECIPE, on_progress=steps.append)
    assert contents(whole) == before
    assert streamed(services) == (0 if damage == "no manifest" else ROWS)
    assert steps[-1].damaged == (0 if damage == "no manifest" else 1)


def test_damaged_picture_is_made_again(client, services, tmp_path):
    recipe = {**RECIPE, "format": "png"}
    client.write_samples("pets", tmp_path / "out", **recipe)
    before = contents(tmp_path / "out")
    picture = sorted((tmp_path / "out/dog").glob("*.png"))[5]
    picture.write_bytes(b"no picture")
    streamed(services)
    client.write_samples("pets", tmp_path / "out", **recipe)
    assert contents(tmp_path / "out") == before
    assert streamed(services) == ROWS


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"seed": 8}, "seed 7, not 8"),
        ({"labels": "cat=2100"}, "label plan 'cat=900,dog=900,fox=300', not 'cat=2100'"),
        ({"labels": None}, "label plan 'cat=900,dog=900,fox=300', not ''"),
        ({"truncation": 0.5}, "truncation None, not 0.5"),
        ({"format": "npz"}, "format 'parquet', not 'npz'"),
        ({"shard_rows": 100}, "shard rows 300, not 100"),
        ({"count": 1000}, "holds samples 900 to 1199"),
        ({"start_index": 10, "count": 2000}, "holds samples 0 to 299"),
    ],
    ids=["seed", "labels", "no labels", "truncation", "format", "shards", "shorter", "later"],
)
def test_another_recipe_is_refused_by_name(client, services, whole, differs, said):
    before = contents(whole)
    with pytest.raises(AlreadyExists) as refused:
        client.write_samples("pets", whole, **{**RECIPE, **differs})
    assert said in refused.value.message
    assert contents(whole) == before
    assert streamed(services) == 0


def test_what_the_first_call_fixed_stays(client, services, tmp_path):
    recipe = {"labels": "balance:datasets/pets=800", "shard_rows": ROWS}
    client.write_samples("pets", tmp_path / "whole", **recipe)
    with pytest.raises(KeyboardInterrupt):
        client.write_samples("pets", tmp_path / "out", **recipe, on_progress=stop_after(1000))
    # Meanwhile the dataset grows.
    services.sampling.class_counts = {"cat": 500, "dog": 2, "fox": 4}
    client.write_samples("pets", tmp_path / "out", **recipe)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    asked = [request for request in services.sampling.requests if hasattr(request, "start_index")]
    assert asked[-1].model == "models/pets/versions/1"


def test_longer_range_goes_on_from_a_shorter_one_that_ends_at_a_boundary(client, services, tmp_path, whole):
    out = tmp_path / "out"
    client.write_samples("pets", out, **{**RECIPE, "count": 900})
    streamed(services)
    manifest = client.write_samples("pets", out, **RECIPE)
    assert streamed(services) == COUNT - 900
    assert manifest["row_count"] == COUNT
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("parts", [2, 3, 20])
@pytest.mark.parametrize("together", [True, False], ids=["one folder", "folders"])
def test_parts_are_together_the_whole(client, services, tmp_path, whole, parts, together):
    rows = 0
    for number in reversed(range(parts)):
        folder = tmp_path / ("out" if together else f"part-{number}")
        manifest = client.write_samples("pets", folder, **RECIPE, part=(number, parts))
        rows += manifest["row_count"]
        assert (folder / "manifest.json").exists() == (together and rows == COUNT)
    assert rows == COUNT
    assert streamed(services) == COUNT
    if not together:
        for number in range(parts):
            shutil.copytree(tmp_path / f"part-{number}", tmp_path / "out", dirs_exist_ok=True)
        client.write_samples("pets", tmp_path / "out", **RECIPE)
        assert streamed(services) == 0
    assert contents(tmp_path / "out") == contents(whole)


def test_folders_of_ranges_are_together_the_whole(client, services, tmp_path, whole):
    for name, start, count in (("first", 0, 900), ("second", 900, COUNT - 900)):
        client.write_samples("pets", tmp_path / name, **{**RECIPE, "start_index": start, "count": count})
        shutil.copytree(tmp_path / name, tmp_path / "out", dirs_exist_ok=True)
    streamed(services)
    client.write_samples("pets", tmp_path / "out", **RECIPE)
    assert streamed(services) == 0
    assert contents(tmp_path / "out") == contents(whole)


def test_range_that_begins_within_a_shard_has_a_shorter_one_and_then_the_same(client, tmp_path, whole):
    start = 450
    manifest = client.write_samples(
        "pets", tmp_path / "out", **{**RECIPE, "start_index": start, "count": COUNT - start}
    )
    names = [file["name"] for file in manifest["files"]]
    assert names[0] == "train-000000000000450-000000000000600.parquet"
    assert [(file["first_index"], file["row_count"]) for file in manifest["files"]][:2] == [(450, 150), (600, ROWS)]
    for name in names[1:]:
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("in_flight", [1, 3, 9])
def test_number_of_shards_in_flight_makes_no_difference(client, services, tmp_path, whole, in_flight):
    services.sampling.faults.plan = [(3, BREAK), (2, BREAK), (1, BREAK)]
    client.write_samples("pets", tmp_path / "out", **RECIPE, in_flight=in_flight)
    assert contents(tmp_path / "out") == contents(whole)


async def test_async_client_writes_the_same_and_goes_on(async_client, tmp_path, whole):
    with pytest.raises(ValueError, match="stop"):
        await async_client.write_samples("pets", tmp_path / "out", **RECIPE, on_progress=raise_after(900))
    assert list((tmp_path / "out").glob("train-*"))
    await async_client.write_samples("pets", tmp_path / "out", **RECIPE)
    assert contents(tmp_path / "out") == contents(whole)


def raise_after(count: int):
    def stop(now: WriteProgress) -> None:
        if now.done >= count:
            raise ValueError("stop")

    return stop


def test_broken_service_keeps_what_is_whole(client, services, tmp_path, whole):
    services.sampling.faults.plan = [(99, "")] * 3 + [(0, BREAK)] * 50
    with pytest.raises(Unavailable):
        client.write_samples("pets", tmp_path / "out", **RECIPE, in_flight=1)
    assert len(list((tmp_path / "out").glob("train-*"))) == 3
    services.sampling.faults.plan = []
    streamed(services)
    client.write_samples("pets", tmp_path / "out", **RECIPE)
    assert streamed(services) == COUNT - 3 * ROWS
    assert contents(tmp_path / "out") == contents(whole)


def test_labels_that_end_too_early_are_refused_before_anything_is_written(client, services, tmp_path):
    with pytest.raises(OutOfRange, match="2100"):
        client.write_samples("pets", tmp_path / "out", **{**RECIPE, "count": COUNT + 1})
    assert streamed(services) == 0
    assert list(tmp_path.iterdir()) == []


def test_overwriting_begins_afresh(client, services, tmp_path, whole):
    manifest = client.write_samples("pets", whole, 500, format="png", shard_rows=ROWS, overwrite=True)
    assert manifest["row_count"] == 500
    assert not list(whole.rglob("*.parquet"))
    assert len(list((whole / STATE).glob("0*.json"))) == 2


def test_bad_request_overwrites_nothing(client, whole):
    before = contents(whole)
    for bad in ({"count": 0}, {"labels": "cow"}, {"count": COUNT + 1}):
        with pytest.raises((InvalidField, OutOfRange)):
            client.write_samples("pets", whole, **{**RECIPE, **bad}, overwrite=True)
    assert contents(whole) == before


def test_same_samples_are_written_by_one_process_at_a_time(client, tmp_path):
    out, tried = tmp_path / "out", []

    def write_too(now: WriteProgress) -> None:
        if now.done >= 900 and not tried:
            tried.append(now)
            with pytest.raises(FailedPrecondition, match="another process"):
                client.write_samples("pets", out, **RECIPE)
            with pytest.raises(FailedPrecondition, match="another process"):
                client.write_samples("pets", out, **RECIPE, overwrite=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.write_samples("pets", out, **RECIPE, on_progress=write_too)
    assert tried
    client.write_samples("pets", out, **RECIPE)


def test_samples_of_another_model_are_no_part_of_it(client, services, tmp_path, monkeypatch):
    from unit.client.fakes import sampling

    monkeypatch.setattr(sampling, "DIGEST", "e" * 64)
    with pytest.raises(DataLoss, match="e" * 64):
        client.write_samples("pets", tmp_path / "out", **RECIPE)
    assert list(tmp_path.iterdir()) == []


def test_damaged_plan_is_named(client, whole):
    (whole / STATE / "plan.json").write_text("{}")
    with pytest.raises(DataLoss, match=r"plan\.json is damaged"):
        client.write_samples("pets", whole, **RECIPE)


def test_progress_counts_samples_and_bytes_of_whole_files(client, tmp_path):
    steps: list[WriteProgress] = []
    manifest = client.write_samples("pets", tmp_path / "out", **RECIPE, on_progress=steps.append)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, COUNT, COUNT)
    assert steps[-1].size_bytes == sum(file["size_bytes"] for file in manifest["files"])


def test_leftovers_of_a_killed_process_are_removed(client, tmp_path, whole):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        client.write_samples("pets", out, **RECIPE, on_progress=stop_after(900))
    shard = next(shard for shard in ShardFolder(out, "parquet").read_plan().shards if shard.start == 1800)
    (out / STATE / f"{shard.name}.abcd.partial").mkdir()
    (out / STATE / f"{shard.name}.abcd.partial" / "train.parquet").write_bytes(b"half")
    (out / STATE / "0123.partial").write_bytes(b"half a record")
    client.write_samples("pets", out, **RECIPE)
    assert contents(out) == contents(whole)
    assert not list(out.rglob("*.partial"))


def test_process_killed_before_it_had_a_plan_is_no_obstacle(client, tmp_path, whole):
    state = tmp_path / "out" / STATE
    state.mkdir(parents=True)
    (state / f"0-{COUNT}.lock").touch()
    (state / "0-7.lock").touch()
    client.write_samples("pets", tmp_path / "out", **RECIPE)
    assert contents(tmp_path / "out") == contents(whole)


def test_record_of_another_shard_is_not_believed(client, services, whole):
    before = contents(whole)
    first, second = sorted((whole / STATE).glob("0*.json"))[:2]
    first.write_bytes(second.read_bytes())
    client.write_samples("pets", whole, **RECIPE)
    assert contents(whole) == before
    assert streamed(services) == ROWS


def test_shards_are_read_by_numpy_one_after_the_other(client, tmp_path):
    manifest = client.write_samples("pets", tmp_path / "out", **RECIPE, format="npz")
    labels = [np.load(tmp_path / "out" / file["name"])["label"] for file in manifest["files"]]
    assert [len(each) for each in labels] == [ROWS] * 7
    assert np.bincount(np.concatenate(labels)).tolist() == [900, 900, 300]
