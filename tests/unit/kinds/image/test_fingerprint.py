"""Hashes and distances of images that look the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from support.data import digits
from synthmill.kinds.image.fingerprint import NEAR_DUPLICATE_BITS, fingerprint, nearly_equal


def enlarged_digits(side: int, count: int = 300) -> np.ndarray:
    images = [Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in digits()[0][:count]]
    return np.stack([np.asarray(image) for image in images])[..., None]


def as_jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(buffer))[..., None]


def with_noise(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 3, image.shape)
    return np.clip(image + np.round(noise), 0, 255).astype(np.uint8)


def brighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(int) + 5, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("change", [as_jpeg, with_noise, brighter])
@pytest.mark.parametrize("side", [8, 28, 64])
def test_slight_change_keeps_the_hash_near_and_the_images_nearly_equal(side, change):
    images = enlarged_digits(side)
    changed = np.stack([change(image) for image in images])
    bits = np.bitwise_count(fingerprint(images) ^ fingerprint(changed))
    assert (bits <= NEAR_DUPLICATE_BITS).mean() > 0.98
    assert nearly_equal(images, changed).mean() > 0.98


@pytest.mark.parametrize("side", [8, 28])
def test_different_digits_are_far_apart(side):
    images = enlarged_digits(side)
    hashes = fingerprint(images)
    first, second = np.triu_indices(len(images), 1)
    assert (np.bitwise_count(hashes[first] ^ hashes[second]) <= NEAR_DUPLICATE_BITS).mean() < 0.002
    assert not nearly_equal(images[first], images[second]).any()


def test_brightness_and_contrast_alone_do_not_change_the_hash():
    images = enlarged_digits(28)
    paler = (images // 2 + 100).astype(np.uint8)
    bits = np.bitwise_count(fingerprint(images) ^ fingerprint(paler))
    assert np.median(bits) <= 1


def test_blank_images_share_one_hash_whatever_their_level():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    blank = np.broadcast_to(levels[:, None, None, None], (len(levels), 28, 28, 1))
    assert set(fingerprint(blank).tolist()) == {0}


def test_same_shape_in_another_colour_is_not_nearly_equal():
    grey = enlarged_digits(16)[:20]
    red, blue = np.zeros((2, 20, 16, 16, 3), np.uint8)
    red[..., 0], blue[..., 2] = grey[..., 0], grey[..., 0]
    assert (fingerprint(red) == fingerprint(blue)).all()
    assert not nearly_equal(red, blue).any()


def test_no_images_have_no_hashes():
    assert fingerprint(np.empty((0, 8, 8, 1), np.uint8)).shape == (0,)
