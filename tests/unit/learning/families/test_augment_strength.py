"""Augmentation grows while the discriminator is too sure of real records, and shrinks again."""

from __future__ import annotations

import pytest
import torch

from synthmill.learning.families.augment_strength import AugmentStrength


def follow(strength: AugmentStrength, sign: float, start: float, end: float, steps: int = 100) -> float:
    for step in range(steps):
        strength.follow(torch.tensor(sign), start + (end - start) * step / steps)
    return strength.share.item()


def test_share_grows_above_the_target_and_falls_below_it():
    strength = AugmentStrength(0.6)
    assert strength.share == 0
    assert follow(strength, 1.0, 0.0, 0.05) == pytest.approx(0.4, abs=0.15)
    assert follow(strength, 1.0, 0.05, 0.5) == 1
    assert follow(strength, 0.0, 0.5, 0.95) == 0


def test_speed_depends_on_the_share_of_the_run_and_not_on_its_steps():
    short, long = AugmentStrength(0.6), AugmentStrength(0.6)
    short.mean_sign.fill_(1)
    long.mean_sign.fill_(1)
    assert follow(short, 1.0, 0.0, 0.05, 20) == pytest.approx(follow(long, 1.0, 0.0, 0.05, 500), abs=0.05)


def test_a_restored_strength_goes_on_as_the_old_one():
    whole, first = AugmentStrength(0.6), AugmentStrength(0.6)
    follow(first, 1.0, 0.0, 0.03)
    restored = AugmentStrength(0.6)
    restored.load_state_dict(first.state_dict())
    follow(whole, 1.0, 0.0, 0.03)
    assert follow(restored, 1.0, 0.03, 0.06) == follow(whole, 1.0, 0.03, 0.06)
