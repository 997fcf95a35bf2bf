"""Images in tables and files."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from unit.kinds.image.drawing import colour, grey

from synthmill.kinds.image import KIND
from synthmill.runtime.errors import BadData

GREY = np.stack([grey(seed=seed) for seed in range(5)])[..., None]
RGB = np.stack([colour(12, 10, seed) for seed in range(5)])


def schema_of(images):
    return dict(zip(("height", "width", "channels"), images.shape[1:], strict=True))


@pytest.mark.parametrize("images", [GREY, RGB], ids=["grey", "rgb"])
def test_datasets_library_reads_images_and_class_names(images, tmp_path):
    batch = {"image": images, "label": np.array([0, 1, 1, 0, 1])}
    pq.write_table(KIND.to_table(batch, schema_of(images), ["cat", "dog"]), tmp_path / "a.parquet")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "a.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(loaded.features["image"], datasets.Image)
    assert loaded.features["label"].names == ["cat", "dog"]
    assert loaded["label"][:] == [0, 1, 1, 0, 1]
    found = np.stack([np.asarray(image) for image in loaded["image"]])
    assert (found.reshape(images.shape) == images).all()


def test_schema_that_has_travelled_as_floats_is_understood():
    schema = {name: float(value) for name, value in schema_of(RGB).items()}
    assert (KIND.from_table(KIND.to_table({"image": RGB}, schema), schema)["image"] == RGB).all()


def test_image_of_another_shape_is_bad_data():
    table = KIND.to_table({"image": GREY}, schema_of(GREY))
    with pytest.raises(BadData, match="row 0: image of 8 x 8 x 1"):
        KIND.from_table(table, {"height": 8, "width": 8, "channels": 3})


def test_damaged_image_is_bad_data_that_names_the_row():
    stored = KIND.to_table({"image": GREY}, schema_of(GREY))["image"].to_pylist()
    stored[3]["bytes"] = stored[3]["bytes"][:40]
    with pytest.raises(BadData, match="row 3: damaged"):
        KIND.from_table(pa.table({"image": stored}), schema_of(GREY))


def test_files_are_png():
    (ending, data), *rest = KIND.to_files({"image": RGB[0]}, schema_of(RGB)).items()
    assert ending == "png"
    assert rest == []
    assert (np.asarray(Image.open(io.BytesIO(data))) == RGB[0]).all()
