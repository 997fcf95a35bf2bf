"""Stops a run that has left the finite numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from synthmill.runtime.errors import Diverged


def require_finite(step: int, tensors: Mapping[str, torch.Tensor]) -> None:
    """Makes sure that no tensor holds an infinity or a NaN.

    Args:
        step: number of the step, from 0.
        tensors: by name.

    Raises:
        Diverged: names the step, from 1, and the first such tensor.
    """
    values = [tensor.detach() for tensor in tensors.values() if tensor.is_floating_point()]
    # One number for all: the greatest magnitude. A NaN or an infinity anywhere survives into it.
    if math.isfinite(torch.nn.utils.get_total_norm(values, norm_type=math.inf).item()):
        return
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise Diverged(
                f"step {step + 1}: {name} is not finite; a lower learning rate may help", step=step + 1, tensor=name
            )
