"""Policies from the literature, of our operations.

Contrast is stretched about the middle of the range, sharpness below 1 is a blur, and consecutive maps of places or
colours are done at once: as close as that to what was published.
"""

from __future__ import annotations

import math
from typing import Any

Step = dict[str, Any]

# Of 30, the greatest magnitude of RandAugment.
_TOP = 30
_LEVELS = 9
_MOST_SHEAR = math.degrees(math.atan(0.3))
# 150 pixels of an image of 331.
_MOST_TRANSLATION = 150 / 331

# AutoAugment (arXiv 1805.09501), appendix A: 25 pairs each; an operation's probability in tenths and its magnitude of 0
# to 9, where it has one.
_IMAGENET = """
posterise 4 8, rotate 6 9; solarise 6 5, autocontrast 6; equalise 8, equalise 6; posterise 6 7, posterise 6 6;
equalise 4, solarise 2 4; equalise 4, rotate 8 8; solarise 6 3, equalise 6; posterise 8 5, equalise 10;
rotate 2 3, solarise 6 8; equalise 6, posterise 4 6; rotate 8 8, colour 4 0; rotate 4 9, equalise 6;
equalise 0, equalise 8; invert 6, equalise 10; colour 6 4, contrast 10 8; rotate 8 8, colour 10 2;
colour 8 8, solarise 8 7; sharpness 4 7, invert 6; shear_x 6 5, equalise 10; colour 4 0, equalise 6;
equalise 4, solarise 2 4; solarise 6 5, autocontrast 6; invert 6, equalise 10; colour 6 4, contrast 10 8;
equalise 8, equalise 6
"""
_CIFAR10 = """
invert 1, contrast 2 6; rotate 7 2, translate_x 3 9; sharpness 8 1, sharpness 9 3; shear_y 5 8, translate_y 7 9;
autocontrast 5, equalise 9; shear_y 2 7, posterise 3 7; colour 4 3, brightness 6 7; sharpness 3 9, brightness 7 9;
equalise 6, equalise 5; contrast 6 7, sharpness 6 5; colour 7 7, translate_x 5 8; equalise 3, autocontrast 4;
translate_y 4 3, sharpness 2 6; brightness 9 6, colour 2 8; solarise 5 2, invert 0; equalise 2, autocontrast 6;
equalise 2, equalise 6; colour 9 9, equalise 6; autocontrast 8, solarise 2 8; brightness 1 3, colour 7 0;
solarise 4 5, autocontrast 9; translate_y 9 9, translate_y 7 9; autocontrast 9, solarise 8 3; equalise 8, invert 1;
translate_y 7 9, autocontrast 9
"""
_SVHN = """
shear_x 9 4, invert 2; shear_y 9 8, invert 7; equalise 6, solarise 6 6; invert 9, equalise 6; equalise 6, rotate 9 3;
shear_x 9 4, autocontrast 8; shear_y 9 8, invert 4; shear_y 9 5, solarise 2 6; invert 9, autocontrast 8;
equalise 6, rotate 9 3; shear_x 9 4, solarise 3 3; shear_y 8 8, invert 7; equalise 9, translate_y 6 6;
invert 9, equalise 6; contrast 3 3, rotate 8 4; invert 8, translate_y 0 2; shear_y 7 6, solarise 4 8;
invert 6, rotate 8 4; shear_y 3 7, translate_x 9 3; shear_x 1 6, invert 6; solarise 7 2, translate_y 6 7;
shear_y 8 4, invert 8; shear_x 7 9, translate_y 8 3; shear_y 8 5, autocontrast 7; shear_x 7 2, invert 1
"""
_TABLES = {"imagenet": _IMAGENET, "cifar10": _CIFAR10, "svhn": _SVHN}

_RAND_AUGMENT = (
    "autocontrast",
    "equalise",
    "rotate",
    "solarise",
    "colour",
    "posterise",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)


def rand_augment(count: int = 2, magnitude: int = 9) -> Step:
    """Returns RandAugment (arXiv 1909.13719): operations drawn alike from 14, one of which does nothing.

    Args:
        count: operations for each record, 1 to 16.
        magnitude: of all of them, 0 to 30.
    """
    share = magnitude / _TOP
    steps: list[Step] = [{"sequence": []}, *(_at(name, share) for name in _RAND_AUGMENT)]
    return {"steps": [{"repeat": [{"one_of": steps}], "times": count}]}


def trivial_augment_wide() -> Step:
    """Returns TrivialAugment with its wide ranges (arXiv 2103.10158, table 6): one operation of any magnitude."""
    shear, factor = math.degrees(math.atan(0.99)), [0.01, 1.99]
    steps: list[Step] = [
        {"sequence": []},
        {"op": "shear", "x": [-shear, shear], "y": 0},
        {"op": "shear", "x": 0, "y": [-shear, shear]},
        # 32 pixels of the 224 of most images.
        {"op": "translate", "x": [-1 / 7, 1 / 7], "y": 0},
        {"op": "translate", "x": 0, "y": [-1 / 7, 1 / 7]},
        {"op": "rotate", "degrees": [-135, 135]},
        {"op": "brightness", "factor": factor},
        {"op": "saturation", "factor": factor},
        {"op": "contrast", "factor": factor},
        {"one_of": [{"op": "sharpen", "strength": [0, 0.99]}, {"op": "gaussian_blur", "sigma": [0, 0.99]}]},
        {"op": "posterise", "bits": [2, 8]},
        {"op": "solarise", "threshold": [0, 1]},
        {"op": "autocontrast"},
        {"op": "equalise"},
    ]
    return {"steps": [{"one_of": steps}]}


def auto_augment(data: str) -> Step:
    """Returns the policy that AutoAugment found for a data set: "imagenet", "cifar10" or "svhn"."""
    pairs = [[_parse(part) for part in pair.split(",")] for pair in _TABLES[data].split(";")]
    return {"steps": [{"one_of": [{"sequence": pair} for pair in pairs]}]}


def _parse(text: str) -> Step:
    name, tenths, *magnitude = text.split()
    share = int(magnitude[0]) / _LEVELS if magnitude else 1.0
    if name in ("colour", "contrast", "brightness", "sharpness"):
        # Here magnitude is a scale from little to much, with what changes nothing in its middle.
        return _enhance(name, 1.8 * share - 0.9) | {"probability": int(tenths) / 10}
    return _at(name, share) | {"probability": int(tenths) / 10}


def _at(name: str, share: float) -> Step:
    """Returns an operation at a share of its greatest magnitude; where there are two directions, either."""
    shear, translation = share * _MOST_SHEAR, share * _MOST_TRANSLATION
    match name:
        case "rotate":
            return _either({"op": "rotate", "degrees": 30 * share}, {"op": "rotate", "degrees": -30 * share})
        case "shear_x":
            return _either({"op": "shear", "x": shear, "y": 0}, {"op": "shear", "x": -shear, "y": 0})
        case "shear_y":
            return _either({"op": "shear", "x": 0, "y": shear}, {"op": "shear", "x": 0, "y": -shear})
        case "translate_x":
            return _either(
                {"op": "translate", "x": translation, "y": 0}, {"op": "translate", "x": -translation, "y": 0}
            )
        case "translate_y":
            return _either(
                {"op": "translate", "x": 0, "y": translation}, {"op": "translate", "x": 0, "y": -translation}
            )
        case "posterise":
            return {"op": "posterise", "bits": 8 - round(4 * share)}
        case "solarise":
            return {"op": "solarise", "threshold": 1 - share}
        case "colour" | "contrast" | "brightness" | "sharpness":
            return _either(_enhance(name, 0.9 * share), _enhance(name, -0.9 * share))
        case _:
            return {"op": name}


def _enhance(name: str, by: float) -> Step:
    if name == "sharpness":
        return {"op": "sharpen", "strength": by} if by >= 0 else {"op": "gaussian_blur", "sigma": -by}
    return {"op": {"colour": "saturation"}.get(name, name), "factor": 1 + by}


def _either(first: Step, second: Step) -> Step:
    return {"one_of": [first, second]}
