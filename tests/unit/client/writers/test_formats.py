"""Written samples, read by the tools they are for."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from unit.client.fakes.faults import BREAK
from unit.client.fakes.model import CARD, DIGEST, LABELS, MODEL
from unit.client.fakes.sampling import expected_columns, expected_labels

from synthmill.client.writers import FORMATS

COUNT, SEED, START = 2100, 7, 40


@pytest.fixture
def wanted() -> dict[str, np.ndarray]:
    index = np.arange(START, START + COUNT)
    return expected_columns(SEED, index, expected_labels(index))


@pytest.fixture
def write(client, services):
    """Writes samples from a stream that breaks now and then."""
    services.sampling.faults.plan = [(9, BREAK), (0, BREAK), (11, BREAK)]

    def write(out, format_name=""):
        return client.write_samples("pets", out, COUNT, format=format_name, seed=SEED, start_index=START)

    return write


def test_npz_is_read_by_numpy(write, wanted, tmp_path):
    write(tmp_path / "pets.npz")
    with np.load(tmp_path / "pets.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["image", "label", "label_names"]
        for name, array in wanted.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array)
        assert arrays["label_names"].tolist() == list(LABELS)


@pytest.mark.parametrize("out", ["pets", "pets.parquet"])
def test_parquet_is_read_by_datasets(write, wanted, tmp_path, monkeypatch, out):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    import datasets

    write(tmp_path / out)
    cache = str(tmp_path / "cache")
    if out.endswith(".parquet"):
        read = datasets.load_dataset("parquet", data_files=str(tmp_path / out), cache_dir=cache)["train"]
    else:
        read = datasets.load_dataset(str(tmp_path / out), cache_dir=cache)["train"]
    assert read.features["label"].names == list(LABELS)
    assert isinstance(read.features["image"], datasets.Image)
    np.testing.assert_array_equal(read["label"], wanted["label"])
    for row in (0, 459, 460, 959, 960, COUNT - 1):
        np.testing.assert_array_equal(np.asarray(read[row]["image"]), wanted["image"][row, :, :, 0])


# WebDataset leaves the shards open that it has read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("out", ["pets", "pets.tar"])
def test_shards_are_read_by_webdataset(write, wanted, tmp_path, out):
    import webdataset

    manifest = write(tmp_path / out, "webdataset")
    shards = [str(tmp_path / out / file["name"]) for file in manifest["files"]]
    if out.endswith(".tar"):
        shards = [str(tmp_path / out)]
    read = list(webdataset.WebDataset(shards, shardshuffle=False).decode("l8"))
    assert [int(sample["__key__"]) for sample in read] == list(range(START, START + COUNT))
    assert [sample["cls"] for sample in read] == wanted["label"].tolist()
    np.testing.assert_array_equal(np.stack([sample["png"] for sample in read]), wanted["image"][..., 0])


def test_png_folder_has_a_folder_per_class(write, wanted, tmp_path):
    write(tmp_path / "pets", "png")
    files = sorted((tmp_path / "pets").glob("*/*.png"), key=lambda path: path.name)
    assert [int(path.stem) for path in files] == list(range(START, START + COUNT))
    assert [path.parent.name for path in files] == [LABELS[label] for label in wanted["label"]]
    np.testing.assert_array_equal(np.asarray(Image.open(files[17])), wanted["image"][17, :, :, 0])
    for line in (tmp_path / "pets/SHA256SUMS").read_text().splitlines()[::100]:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((tmp_path / "pets" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("format_name", FORMATS)
def test_manifest_says_what_the_samples_are(write, wanted, tmp_path, format_name):
    manifest = write(tmp_path / "pets", format_name)
    assert manifest == json.loads((tmp_path / "pets/manifest.json").read_text())
    assert manifest["synthetic"] is True
    assert manifest["synthmill_version"]
    assert manifest["format"] == format_name
    assert manifest["model"]["name"] == f"{MODEL}/versions/1"
    assert manifest["model"]["digest"] == DIGEST
    said = {"label_plan": "", "truncation": None, "filter": None}
    recipe = {"seed": SEED, "start_index": START, "count": COUNT, **said}
    assert manifest["recipe"] == recipe
    assert manifest["lineage"]["dataset"] == "datasets/pets/versions/1"
    assert manifest["lineage"]["dataset_digest"] == CARD["lineage"]["dataset_digest"]
    assert manifest["license"] == CARD["license"]
    assert manifest["row_count"] == sum(file["row_count"] for file in manifest["files"]) == COUNT
    assert list(manifest["label_counts"].values()) == np.bincount(wanted["label"]).tolist()
    for file in manifest["files"]:
        data = (tmp_path / "pets" / file["name"]).read_bytes()
        assert (file["size_bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("format_name", FORMATS)
def test_same_recipe_gives_the_same_files(client, tmp_path, format_name):
    first, second = (
        client.write_samples("pets", tmp_path / name, 50, format=format_name, labels="cat=20,fox=30")
        for name in ("first", "second")
    )
    assert first == second
    assert first["label_counts"] == {"cat": 20, "dog": 0, "fox": 30}


def test_manifest_of_one_file_is_beside_it(write, tmp_path):
    manifest = write(tmp_path / "pets.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets.npz", "pets.npz.manifest.json"]
    assert manifest["files"][0]["sha256"] == hashlib.sha256((tmp_path / "pets.npz").read_bytes()).hexdigest()


def test_balance_without_a_count_writes_what_is_lacking(client, tmp_path):
    manifest = client.write_samples("pets", tmp_path / "more", labels="balance:datasets/pets=8")
    assert manifest["label_counts"] == {"cat": 3, "dog": 6, "fox": 4}
    assert manifest["recipe"]["label_plan"] == "cat=3,dog=6,fox=4"


async def test_async_client_writes_the_same(async_client, client, tmp_path):
    manifest = await async_client.write_samples("pets", tmp_path / "a.npz", 100)
    assert manifest["row_count"] == 100
    client.write_samples("pets", tmp_path / "b.npz", 100)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
