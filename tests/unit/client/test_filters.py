"""Filters through the SDK: as they are given, over streams that break, in files, in datasets."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from unit.client.fakes.faults import BREAK
from unit.client.fakes.model import MODEL
from unit.client.fakes.sampling import ANSWER_LIMIT, expected_columns, expected_labels, expected_opinions

from synthmill.client import SampleDataset, sample_filter
from synthmill.client.batches import join
from synthmill.client.filters import from_recipe, to_filter, to_recipe
from synthmill.client.writers import FORMATS
from synthmill.runtime.errors import AlreadyExists, InvalidField
from synthmill.v1.sampling_service_pb2 import SampleFilter

STRICT = sample_filter(min_confidence=0.9, min_score=1.5, attempts=16)


def expected(index, by=STRICT, seed=0):
    index = np.asarray(index, np.int64)
    return expected_columns(seed, index, expected_labels(index)) | expected_opinions(index, by)


def assert_same(columns, wanted):
    assert columns.keys() == wanted.keys()
    for name, array in wanted.items():
        assert columns[name].dtype == array.dtype
        np.testing.assert_array_equal(columns[name], array)


def test_true_is_the_model_s_own_and_none_and_false_are_none():
    assert to_filter(True) == SampleFilter(attempts=8)
    assert to_filter(None) is to_filter(False) is None
    assert to_filter(STRICT) is STRICT


@pytest.mark.parametrize("given", [0.9, {"min_confidence": 0.9}, "strict"])
def test_what_is_no_filter_is_not_taken_for_the_model_s_own(client, given):
    with pytest.raises(InvalidField, match="filter: got"):
        client.sampling.sample("pets", 1, filter=given)


def test_a_filter_as_json_is_as_it_was_given():
    assert to_recipe(STRICT) == {"min_confidence": 0.9, "min_score": 1.5, "attempts": 16}
    assert to_recipe(SampleFilter()) == {"min_confidence": None, "min_score": None, "attempts": 8}
    assert from_recipe(to_recipe(STRICT)) == STRICT
    assert to_recipe(None) is from_recipe(None) is None


@pytest.mark.parametrize("given", [{"min_confidence": "high"}, {"min_score": "high"}, {"attempts": 1.5}])
def test_what_is_no_number_is_named(given):
    with pytest.raises(InvalidField) as refusal:
        sample_filter(**given)
    assert refusal.value.metadata["field"] == next(iter(given))


def test_samples_come_with_what_the_filter_says_of_them(client, services):
    assert_same(client.sampling.sample("pets", 20, filter=STRICT).columns, expected(range(20)))
    count = 2 * ANSWER_LIMIT
    assert_same(client.sampling.sample("pets", count, filter=True).columns, expected(range(count), SampleFilter()))
    assert all(request.HasField("filter") for request in services.sampling.requests)
    client.sampling.sample("pets", 20)
    assert not services.sampling.requests[-1].HasField("filter")


def test_a_stream_that_breaks_keeps_its_filter(client, services):
    services.sampling.faults.plan = [(2, BREAK), (0, BREAK), (3, BREAK)]
    batches = list(client.sampling.iter_batches(MODEL, 1000, batch_size=64, filter=STRICT))
    assert_same(join(batches).columns, expected(range(1000)))
    assert len(services.sampling.requests) == 4
    assert {request.filter.attempts for request in services.sampling.requests} == {16}


PLACES = [(name, place) for name in FORMATS for place in ("folder", "file") if place == "folder" or name != "png"]


@pytest.mark.parametrize(("format_name", "place"), PLACES)
def test_a_manifest_has_the_filter_and_what_came_of_it(client, tmp_path, format_name, place):
    suffix = FORMATS[format_name].suffix
    out = tmp_path / ("pets" if place == "folder" else f"pets{suffix}")
    more = {"shard_rows": 100} if place == "folder" else {}
    manifest = client.write_samples("pets", out, 250, format=format_name, filter=STRICT, **more)
    assert manifest["recipe"]["filter"] == {"min_confidence": 0.9, "min_score": 1.5, "attempts": 16}
    wanted = expected(range(250))
    first = int((wanted["passed"] & (wanted["attempt"] == 0)).sum())
    assert manifest["filter_counts"] == {"first": first, "later": 200 - first, "none": 50}
    assert all("filter_counts" not in file for file in manifest["files"])
    written = out / "manifest.json" if place == "folder" else out.with_name(f"{out.name}.manifest.json")
    assert json.loads(written.read_text()) == manifest
    if format_name == "png":
        pixels = np.asarray(Image.open(out / "fox" / f"{200:012d}.png"))
        np.testing.assert_array_equal(pixels, wanted["image"][200, :, :, 0])


def test_columns_of_a_filter_are_in_arrays_and_tables(client, tmp_path):
    import pyarrow.parquet as pq

    wanted = expected(range(150))
    client.write_samples("pets", tmp_path / "pets.npz", 150, filter=STRICT)
    with np.load(tmp_path / "pets.npz") as arrays:
        for name, array in wanted.items():
            np.testing.assert_array_equal(arrays[name], array)
    client.write_samples("pets", tmp_path / "pets.parquet", 150, filter=STRICT)
    table = pq.read_table(tmp_path / "pets.parquet")
    for name in ("confidence", "score", "attempt", "passed", "label"):
        np.testing.assert_array_equal(table[name].to_numpy(), wanted[name])


def test_a_manifest_is_enough_to_make_the_same_files_again(client, tmp_path):
    first = client.write_samples("pets", tmp_path / "a", 900, shard_rows=200, filter=STRICT, seed=3)
    recipe = first["recipe"]
    again = client.write_samples(
        first["model"]["name"],
        tmp_path / "b",
        recipe["count"],
        seed=recipe["seed"],
        start_index=recipe["start_index"],
        filter=sample_filter(**recipe["filter"]),
        shard_rows=200,
    )
    assert again == first


def test_a_folder_goes_on_with_its_filter_and_with_no_other(client, services, tmp_path):
    recipe = {"count": 600, "shard_rows": 200, "filter": STRICT}
    whole = client.write_samples("pets", tmp_path / "whole", **recipe)
    part = client.write_samples("pets", tmp_path / "out", **recipe, part=(0, 2))
    assert part["filter_counts"] != whole["filter_counts"]
    for other in (None, True, sample_filter(0.9)):
        with pytest.raises(AlreadyExists) as refusal:
            client.write_samples("pets", tmp_path / "out", **{**recipe, "filter": other})
        assert refusal.value.metadata["differs"] == "filter"
    assert client.write_samples("pets", tmp_path / "out", **recipe) == whole


def test_datasets_read_filtered_samples(client):
    dataset = SampleDataset(client, "pets", 500, filter=STRICT, seed=5)
    wanted = expected(range(500), seed=5)
    for item in (dataset[7], *dataset[[7]]):
        np.testing.assert_array_equal(item["image"], wanted["image"][7])
        assert item["confidence"] == pytest.approx(0.7)
        assert (item["attempt"], item["passed"], item["label"]) == (7, True, 1)
