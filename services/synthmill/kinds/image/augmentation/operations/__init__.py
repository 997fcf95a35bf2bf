"""All operations on images."""

from collections.abc import Mapping
from types import MappingProxyType

from synthmill.kinds.image.augmentation.operations import (
    blur,
    colour,
    curves,
    distortion,
    erasing,
    geometry,
    mixing,
    noise,
    tones,
)
from synthmill.kinds.image.augmentation.operations.base import Operation

_MODULES = (geometry, colour, curves, tones, blur, noise, erasing, distortion, mixing)

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {operation.name: operation for module in _MODULES for operation in module.OPERATIONS}
)
"""Operations by name, in the order in which users are shown them."""
