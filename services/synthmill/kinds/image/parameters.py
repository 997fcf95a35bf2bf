"""What an image import may be told."""

from __future__ import annotations

import dataclasses

from synthmill.kinds.base import parameter

MAX_SIDE = 1024


@dataclasses.dataclass(frozen=True)
class ImageImport:
    """Parameters of an image import; zero leaves a choice to the source."""

    height: int = parameter(0, "height in pixels; 0 means the most frequent one", minimum=0, maximum=MAX_SIDE)
    width: int = parameter(0, "width in pixels; 0 means the most frequent one", minimum=0, maximum=MAX_SIDE)
    channels: int = parameter(0, "1 grey, 3 RGB; 0 means RGB if any image has colour", choices=(0, 1, 3))
    fit: str = parameter(
        "crop",
        "how an image of another shape is fitted: crop the middle, pad the sides, or stretch",
        choices=("crop", "pad", "stretch"),
    )
    padding: int = parameter(0, "grey level of padded sides", minimum=0, maximum=255)
    white: float = parameter(
        0.0,
        "number that means white in arrays; 0 means 1 for floats up to 1, 65535 above 255, else 255",
        minimum=0.0,
    )
