"""Policies for images."""

from __future__ import annotations

import dataclasses
from typing import Any

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.operations import OPERATIONS
from synthmill.kinds.image.augmentation.resampling import BORDERS
from synthmill.kinds.policies.parsing import Policy, parse_policy


@dataclasses.dataclass(frozen=True)
class ImageSettings:
    """What a policy says beside its steps."""

    border: str = parameter("constant", "what lies outside an image", choices=tuple(BORDERS))
    fill: float = parameter(0.0, "level of a constant border, as a share of the range", minimum=0, maximum=1)
    mask_fill: int = parameter(0, "class of what lies outside a mask", minimum=0, maximum=65_535)
    min_visible: float = parameter(
        0.1, "share of a box's area that must stay in the picture, else the box goes", minimum=0, maximum=1
    )


def image_policy(given: Any) -> Policy:
    """Checks a policy for images and fills in its defaults.

    Raises:
        InvalidField: something is missing, unknown or not allowed; the field is its path in the policy.
    """
    return parse_policy(given, OPERATIONS, ImageSettings)
