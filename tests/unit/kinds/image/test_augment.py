"""Augmentation for discriminators moves, hides and recolours each image by its own draws; gradients pass through."""

from __future__ import annotations

import pytest
import torch

from synthmill.kinds.image.augment import DRAWS, augment
from synthmill.kinds.image.hyper_parameters import AUGMENT_POLICIES

BLACK, GREY = -1.0, 0.0


def picture(count: int = 1) -> torch.Tensor:
    x = torch.linspace(-0.9, 0.9, 3 * 16 * 16).reshape(1, 3, 16, 16)
    return x.repeat(count, 1, 1, 1)


def draws(count: int = 1, **columns: float) -> torch.Tensor:
    given = torch.full((count, DRAWS), 0.5)
    for name, value in columns.items():
        given[:, int(name.removeprefix("draw_"))] = value
    return given


@pytest.mark.parametrize("policy", [policy for policy in AUGMENT_POLICIES if policy != "auto"])
def test_shape_stays_and_gradients_come_back(policy):
    x = picture(8).requires_grad_()
    result = augment(x, policy, torch.rand(8, DRAWS))
    assert result.shape == x.shape
    result.sum().backward()
    assert (x.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_translation_moves_whole_pixels_and_fills_with_black():
    x = picture()
    moved = augment(x, "translation", draws(draw_3=0.0, draw_4=0.999))
    assert torch.equal(moved[:, :, 2:, :-2], x[:, :, :-2, 2:])
    assert (moved[:, :, :2] == BLACK).all()
    assert (moved[:, :, :, -2:] == BLACK).all()


def test_middle_draws_do_not_move():
    assert torch.equal(augment(picture(), "translation", draws()), picture())


def test_cutout_greys_out_a_quarter():
    hidden = augment(picture(), "translation+cutout", draws()) == GREY
    assert hidden[0, 0, 4:12, 4:12].all()
    assert hidden.sum() == 3 * 8 * 8


def test_cutout_may_reach_over_the_edge():
    hidden = augment(picture(), "translation+cutout", draws(draw_5=0.0, draw_6=0.0)) == GREY
    assert hidden[0, 0, :4, :4].all()
    assert hidden.sum() == 3 * 4 * 4


def test_colour_keeps_what_its_middle_draws_keep():
    policy = "colour+translation+cutout"
    recoloured = augment(picture(), policy, draws(draw_5=0.0, draw_6=0.0))
    torch.testing.assert_close(recoloured[:, :, 4:], picture()[:, :, 4:])


def test_colour_brightens_and_takes_saturation_away():
    policy = "colour+translation+cutout"
    bright = augment(picture(), policy, draws(draw_0=0.75, draw_5=0.0, draw_6=0.0))
    torch.testing.assert_close(bright[:, :, 4:], picture()[:, :, 4:] + 0.25)
    grey = augment(picture(), policy, draws(draw_1=0.0))
    torch.testing.assert_close(grey[:, 0], grey[:, 2])


def test_images_are_augmented_by_their_own_draws():
    given = torch.rand(6, DRAWS)
    policy = AUGMENT_POLICIES[-1]
    together = augment(picture(6), policy, given)
    torch.testing.assert_close(augment(picture(), policy, given[4:5]), together[4:5])
    assert not torch.equal(together[0], together[1])
