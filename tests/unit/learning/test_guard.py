"""A number that is not finite stops the run, with the step and the first tensor that has one."""

from __future__ import annotations

import math

import pytest
import torch

from synthmill.learning.guard import require_finite
from synthmill.runtime.errors import Diverged


def test_finite_numbers_pass_however_large():
    require_finite(0, {"a": torch.tensor([3e38, -3e38]), "count": torch.tensor(7)})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_tensor_with_a_bad_number_is_named(bad):
    tensors = {"good": torch.ones(3), "weight": torch.tensor([[1.0, bad]]), "later": torch.tensor(bad)}
    with pytest.raises(Diverged, match="step 8: weight is not finite") as stopped:
        require_finite(7, tensors)
    assert stopped.value.metadata == {"step": "8", "tensor": "weight"}
