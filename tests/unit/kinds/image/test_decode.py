"""Pixels become numbers around zero, and come back as the nearest level."""

from __future__ import annotations

import torch

from synthmill.kinds.image.decode import to_input, to_pixels


def test_every_level_comes_back():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(2, -1, -1, 3)
    x = to_input(pixels)
    assert x.shape == (2, 3, 16, 16)
    assert (x.min(), x.max()) == (-1, 1)
    assert torch.equal(to_pixels(x), pixels)


def test_what_is_out_of_range_is_clipped():
    x = torch.tensor([-5.0, -1.001, 1.001, 5.0]).reshape(1, 1, 2, 2)
    assert to_pixels(x).flatten().tolist() == [0, 0, 255, 255]


def test_between_two_levels_the_nearer_one_is_taken():
    x = torch.tensor([100.4, 100.6]).reshape(1, 1, 1, 2) / 127.5 - 1
    assert to_pixels(x).flatten().tolist() == [100, 101]
