"""Captioned grids."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from unit.kinds.image.drawing import colour, grey

from synthmill.kinds.image.picture import picture


def drawn(images, captions=(), columns=4):
    return Image.open(io.BytesIO(picture(images, captions, columns))).convert("RGB")


def test_tiny_images_are_enlarged_by_a_whole_factor_with_square_pixels():
    image = grey(8, 8)[..., None]
    sheet = np.asarray(drawn(image[None]))[..., 0]
    corner = np.argwhere(sheet != sheet[0, 0])[0] + 1
    tile = sheet[corner[0] : corner[0] + 72, corner[1] : corner[1] + 72]
    assert (tile == np.kron(image[..., 0], np.ones((9, 9), np.uint8))).all()


def test_grid_has_as_many_rows_as_needed():
    images = np.stack([grey(8, 8, seed)[..., None] for seed in range(5)])
    one_row, two_rows, three_rows = (drawn(images[:count], columns=2) for count in (2, 4, 5))
    step = two_rows.height - one_row.height
    assert step > 72
    assert three_rows.height - two_rows.height == step
    assert one_row.width == three_rows.width


def test_captions_are_drawn_below_the_images_and_stay_in_their_column():
    images = np.full((2, 32, 32, 3), 128, np.uint8)
    plain, captioned = drawn(images, columns=2), drawn(images, ["cat", ""], columns=2)
    assert captioned.height > plain.height
    ink = np.asarray(captioned)[..., 0] < 100
    rows, columns = np.nonzero(ink)
    assert rows.min() > captioned.height // 2
    assert 0 < columns.max() < captioned.width // 2


def test_long_caption_is_shortened_to_its_tile():
    images = np.full((2, 32, 32, 3), 128, np.uint8)
    ink = np.asarray(drawn(images, ["a very long name of a class", ""], columns=2))[..., 0] < 100
    assert np.nonzero(ink)[1].max() < ink.shape[1] // 2


@pytest.mark.parametrize("images", [grey(8, 8)[None, ..., None], colour(200, 100)[None]], ids=["grey", "rgb"])
def test_any_size_gives_a_png(images):
    assert picture(images, [], 10).startswith(b"\x89PNG")
