"""Networks fit images of every size from 8 to 128 pixels, and use what they are given."""

from __future__ import annotations

import itertools

import pytest
import torch

from synthmill.kinds.image.levels import level_widths, levels
from synthmill.kinds.image.networks import Discriminator, Encoder, Generator

SHAPES = [(8, 8, 1), (9, 15, 3), (16, 12, 3), (28, 28, 1), (32, 33, 3), (64, 8, 1), (63, 64, 3), (128, 127, 3)]
LATENT, WIDTH = 5, 4


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def widths(shape: tuple[int, int, int]) -> list[int]:
    return level_widths(*shape[:2], WIDTH)


@pytest.mark.parametrize("side", range(8, 129))
def test_levels_halve_down_to_a_few_pixels(side):
    sizes = levels(side, 8)
    assert sizes[0] == ((side, 8) if side <= 16 else ((side + 1) // 2, 4))
    assert 4 <= max(sizes[-1]) <= 7
    for (height, width), (lower, narrower) in itertools.pairwise(sizes):
        assert (lower, narrower) == (-(-height // 2), -(-width // 2))


@pytest.mark.parametrize("label_count", [0, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_size_fits(shape, label_count):
    height, width, channels = shape
    label = torch.tensor([0, 2]) if label_count else None
    x = Generator(shape, LATENT, widths(shape), label_count)(torch.randn(2, LATENT), label)
    assert x.shape == (2, channels, height, width)
    assert x.abs().max() <= 1
    assert Discriminator(shape, widths(shape), label_count, True)(x, label).shape == (2,)
    mean, log_variance = Encoder(shape, LATENT, widths(shape), label_count)(x, label)
    assert mean.shape == log_variance.shape == (2, LATENT)


def test_classes_make_a_difference_everywhere():
    shape, labels = (8, 8, 1), torch.tensor([0, 1])
    z, x = torch.randn(1, LATENT).expand(2, -1), torch.rand(1, 1, 8, 8).expand(2, -1, -1, -1)
    image = Generator(shape, LATENT, widths(shape), 2).eval()(z, labels)
    logit = Discriminator(shape, widths(shape), 2, False)(x, labels)
    mean, _ = Encoder(shape, LATENT, widths(shape), 2)(x, labels)
    for output in (image, logit, mean):
        assert not torch.allclose(output[0], output[1])


def test_each_image_depends_on_its_own_latent_vector_alone():
    generator = Generator((12, 12, 3), LATENT, widths((12, 12, 3)), 0).eval()
    z = torch.randn(4, LATENT)
    torch.testing.assert_close(generator(z)[2:3], generator(z[2:3]))


def test_spectral_norm_bounds_the_slope_of_the_discriminator():
    slopes = []
    for bounded in (False, True):
        discriminator = Discriminator((8, 8, 1), [16, 32], 0, bounded)
        with torch.no_grad():
            for parameter in discriminator.parameters():
                parameter *= 10
        for _ in range(20):  # each evaluation refines the estimate of the norms
            x = torch.rand(32, 1, 8, 8, requires_grad=True)
            discriminator(x).sum().backward()
        slopes.append(x.grad.flatten(1).norm(dim=1).max().item())
    # A layer of norm 1 as a matrix is, as a convolution, at most three times as steep along each axis that it strides.
    assert slopes[1] < 100 < slopes[0]
