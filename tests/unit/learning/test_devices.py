"""Precision follows what the hardware has and what a trial on it shows."""

from __future__ import annotations

import pytest
import torch

from synthmill.learning import devices
from synthmill.learning.task import Machine

BF16 = {"avx512_bf16": True}


def precision(machine: Machine) -> str:
    return devices.open_fabric(machine).strategy.precision.precision


def test_trial_measures_both_precisions_and_leaves_no_trace():
    state = torch.get_rng_state()
    assert devices.bfloat16_speedup() > 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("abilities", "speedup", "expected"),
    [({}, 9.0, "32-true"), (BF16, 0.7, "32-true"), (BF16, 1.9, "bf16-mixed"), ({"amx_bf16": True}, 1.9, "bf16-mixed")],
    ids=["no-instructions", "slower", "faster", "tiles"],
)
def test_bfloat16_is_chosen_where_the_processor_has_it_and_it_is_faster(monkeypatch, abilities, speedup, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    monkeypatch.setattr(devices, "bfloat16_speedup", lambda: speedup)
    assert precision(Machine(accelerator="cpu")) == expected


def test_a_precision_that_is_asked_for_needs_no_trial(monkeypatch):
    monkeypatch.setattr(devices, "bfloat16_speedup", lambda: pytest.fail("tried"))
    assert precision(Machine(accelerator="cpu", precision="bfloat16")) == "bf16-mixed"
