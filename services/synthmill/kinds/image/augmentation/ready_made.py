"""Policies that come with the image kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from synthmill.kinds.image.augmentation.published import auto_augment, rand_augment, trivial_augment_wide

_LIGHT: Mapping[str, Any] = {
    "border": "reflect",
    "steps": [
        {"op": "horizontal_flip", "probability": 0.5},
        {"op": "translate", "x": [-0.05, 0.05], "y": [-0.05, 0.05]},
        {"op": "brightness", "factor": [0.95, 1.05]},
    ],
}
_STANDARD: Mapping[str, Any] = {
    "border": "reflect",
    "steps": [
        {"op": "horizontal_flip", "probability": 0.5},
        {"op": "rotate", "degrees": [-10, 10]},
        {"op": "translate", "x": [-0.1, 0.1], "y": [-0.1, 0.1]},
        {"op": "scale", "factor": [0.9, 1.1]},
        {"op": "colour_jitter", "probability": 0.8},
        {"op": "erase", "probability": 0.25},
    ],
}
_STRONG: Mapping[str, Any] = {
    "border": "reflect",
    "steps": [
        {"op": "horizontal_flip", "probability": 0.5},
        {"op": "rotate", "degrees": [-30, 30]},
        {"op": "shear", "x": [-10, 10], "y": [-10, 10], "probability": 0.5},
        {"op": "random_resized_crop", "area": [0.4, 1.0]},
        {
            "op": "colour_jitter",
            "brightness": [0.6, 1.4],
            "contrast": [0.6, 1.4],
            "saturation": [0.5, 1.5],
            "hue": [-36, 36],
            "probability": 0.9,
        },
        {"op": "grey", "probability": 0.1},
        {
            "one_of": [{"op": "gaussian_blur"}, {"op": "gaussian_noise"}, {"op": "jpeg"}, {"op": "downscale"}],
            "probability": 0.5,
        },
        {"op": "erase", "probability": 0.5},
    ],
}
# Print on paper: slightly askew, badly lit, badly scanned. Mirrored letters are no letters.
_DOCUMENTS: Mapping[str, Any] = {
    "border": "replicate",
    "steps": [
        {"op": "rotate", "degrees": [-3, 3]},
        {"op": "shear", "x": [-3, 3], "y": [-1, 1]},
        {"op": "perspective", "strength": [0.0, 0.03], "probability": 0.5},
        {"op": "scale", "factor": [0.95, 1.05]},
        {"op": "contrast", "factor": [0.7, 1.2]},
        {"op": "brightness", "factor": [0.85, 1.1]},
        {"op": "tint", "strength": [0.0, 0.1], "probability": 0.3},
        {
            "one_of": [{"op": "gaussian_blur", "sigma": [0.2, 1.0]}, {"op": "jpeg"}, {"op": "downscale"}],
            "probability": 0.5,
        },
        {"op": "gaussian_noise", "deviation": [0.0, 0.03], "probability": 0.5},
    ],
}
# Grey levels that mean something, of a body that is not its mirror image.
_MEDICAL_GREY: Mapping[str, Any] = {
    "border": "constant",
    "steps": [
        {"op": "rotate", "degrees": [-10, 10]},
        {"op": "translate", "x": [-0.05, 0.05], "y": [-0.05, 0.05]},
        {"op": "scale", "factor": [0.9, 1.1]},
        {"op": "elastic", "probability": 0.3},
        {"op": "gamma", "gamma": [0.85, 1.18], "probability": 0.5},
        {"op": "contrast", "factor": [0.9, 1.1]},
        {"op": "gaussian_noise", "deviation": [0.0, 0.02], "probability": 0.3},
    ],
}
# Photographs of things and scenes, up being up.
_NATURAL: Mapping[str, Any] = {
    "border": "reflect",
    "steps": [
        {"op": "horizontal_flip", "probability": 0.5},
        {"op": "random_resized_crop", "area": [0.5, 1.0]},
        {"op": "colour_jitter", "probability": 0.8},
        {"op": "gamma", "probability": 0.3},
        {"one_of": [{"op": "gaussian_blur"}, {"op": "sharpen"}, {"op": "motion_blur"}], "probability": 0.2},
        {"op": "erase", "probability": 0.25},
    ],
}

_FIXED: Mapping[str, Mapping[str, Any]] = {
    "light": _LIGHT,
    "standard": _STANDARD,
    "strong": _STRONG,
    "documents": _DOCUMENTS,
    "medical_grey": _MEDICAL_GREY,
    "natural": _NATURAL,
    "rand_augment": rand_augment(),
    "trivial_augment_wide": trivial_augment_wide(),
    "auto_augment_imagenet": auto_augment("imagenet"),
    "auto_augment_cifar10": auto_augment("cifar10"),
    "auto_augment_svhn": auto_augment("svhn"),
}
_RAND_AUGMENT = re.compile(r"rand_augment\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_MOST_OPERATIONS, _MOST_MAGNITUDE = 16, 30


class _ReadyMade(Mapping[str, Mapping[str, Any]]):
    """Policies by name; "rand_augment(3, 12)" is one too, of three operations of the magnitude 12."""

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        if match := _RAND_AUGMENT.fullmatch(name):
            count, magnitude = map(int, match.groups())
            if 1 <= count <= _MOST_OPERATIONS and magnitude <= _MOST_MAGNITUDE:
                return rand_augment(count, magnitude)
        return _FIXED[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_FIXED)

    def __len__(self) -> int:
        return len(_FIXED)


READY_MADE: Mapping[str, Mapping[str, Any]] = _ReadyMade()
"""Policies by name, as `image_policy` takes them."""
