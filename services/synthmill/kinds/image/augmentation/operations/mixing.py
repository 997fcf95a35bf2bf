"""Operations that mix a record with others, its partners.

Partners are brought to the size of the record. What the records must have in common is said in `merging`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.operations.base import Drawn, Mixture, Values
from synthmill.kinds.image.augmentation.operations.merging import (
    alike,
    blended,
    boxes_of,
    covered,
    filling,
    inside,
    joined,
    kept,
    marked,
    outside,
    resized,
    under,
)
from synthmill.runtime.errors import InvalidField


@dataclasses.dataclass(frozen=True)
class MixupParameters:
    """How evenly."""

    alpha: float = parameter(
        0.2, "of the Beta(alpha, alpha) that the share is drawn from; 0 changes nothing", minimum=0, maximum=100
    )


class Mixup(Mixture):
    """Blends a record with another (arXiv 1710.09412); all boxes stay, and the mask is that of the larger share."""

    name = "mixup"
    parameters = MixupParameters
    partners = 1
    extra_draws = 2

    def draw(self, given: MixupParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        return {**super().draw(given, chances, size), "share": _beta(given.alpha, self.extra(chances))}

    def combine(
        self, example: Example, partners: Sequence[Example], given: Any, values: Values, min_visible: float
    ) -> Example:
        (partner,) = alike(example, partners)
        share = float(values["share"])
        if share == 1:
            return example
        partner = resized(partner, example.size)
        image = cv2.addWeighted(example.image, share, partner.image, 1 - share, 0).reshape(example.image.shape)
        return joined(
            [example, partner],
            image=image,
            mask=example.mask if share >= 0.5 else partner.mask,
            label=blended([example, partner], [share, 1 - share]),
        )


@dataclasses.dataclass(frozen=True)
class CutmixParameters:
    """How much."""

    alpha: float = parameter(
        1.0, "of the Beta(alpha, alpha) that the area is drawn from; 0 changes nothing", minimum=0, maximum=100
    )


class Cutmix(Mixture):
    """Shows another record in a rectangle (arXiv 1905.04899); of boxes, what is still seen is left."""

    name = "cutmix"
    parameters = CutmixParameters
    partners = 1
    extra_draws = 4

    def draw(self, given: CutmixParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        extra = self.extra(chances)
        side = np.round(size * np.sqrt(1 - _beta(given.alpha, extra[:, :2]))[:, None])
        first = np.floor(extra[:, 2:] * size) - side // 2
        edges = np.concatenate([first.clip(0), (first + side).clip(0, size)], axis=1)
        return {**super().draw(given, chances, size), "rectangle": edges[:, [1, 0, 3, 2]].astype(int)}

    def combine(
        self, example: Example, partners: Sequence[Example], given: Any, values: Values, min_visible: float
    ) -> Example:
        (partner,) = alike(example, partners)
        left, top, right, bottom = rectangle = values["rectangle"].tolist()
        partner = resized(partner, example.size)
        here = (slice(top, bottom), slice(left, right))
        share = (bottom - top) * (right - left) / (example.size[0] * example.size[1])
        return joined(
            [outside(example, rectangle, min_visible), inside(partner, rectangle, min_visible)],
            image=_pasted(example.image, partner.image, here),
            mask=_pasted(example.mask, partner.mask, here),
            label=blended([example, partner], [1 - share, share]),
        )


@dataclasses.dataclass(frozen=True)
class MosaicParameters:
    """Where the four meet."""

    x: tuple[float, float] = parameter((0.3, 0.7), "where they meet, as a share of the width", minimum=0, maximum=1)
    y: tuple[float, float] = parameter((0.3, 0.7), "where they meet, as a share of the height", minimum=0, maximum=1)


class Mosaic(Mixture):
    """Shows four records around a point, its own in the upper left; each fills its part, what is too long is cut."""

    name = "mosaic"
    parameters = MosaicParameters
    partners = 3

    def combine(
        self, example: Example, partners: Sequence[Example], given: Any, values: Values, min_visible: float
    ) -> Example:
        partners = alike(example, partners)
        height, width = example.size
        x, y = round(values["x"] * width), round(values["y"] * height)
        tiles = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
        image = np.empty_like(example.image)
        mask = None if example.mask is None else np.empty_like(example.mask)
        shown, shares = [], []
        for source, tile in zip([example, *partners], tiles, strict=True):
            left, top, right, bottom = tile
            share = (bottom - top) * (right - left) / (height * width)
            if not share:
                continue
            shown.append(filling(source, tile, min_visible))
            image[top:bottom, left:right] = shown[-1].image
            if mask is not None:
                mask[top:bottom, left:right] = shown[-1].mask
            shares.append(share)
        return joined(shown, image=image, mask=mask, label=blended(shown, shares))


class CopyPaste(Mixture):
    """Shows what another record's mask, or else its boxes, have marked (arXiv 2012.07177); boxes well hidden go."""

    name = "copy_paste"
    partners = 1

    def combine(
        self, example: Example, partners: Sequence[Example], given: Any, values: Values, min_visible: float
    ) -> Example:
        (partner,) = alike(example, partners)
        if example.mask is None and example.boxes is None:
            raise InvalidField("mask", None, "a mask or boxes, which say what is to be pasted")
        partner = resized(partner, example.size)
        pasted = marked(partner)
        share = float(pasted.mean())
        own = kept(example, boxes_of(example), 1 - covered(example, pasted), ~under(example, pasted), min_visible)
        # All that was marked is seen: its boxes need not be full of it.
        new = kept(partner, boxes_of(partner), covered(partner, pasted), under(partner, pasted), 0)
        return joined(
            [own, new],
            image=np.where(pasted[..., None], partner.image, example.image),
            mask=None if example.mask is None else np.where(pasted, partner.mask, example.mask),
            label=blended([example, partner], [1 - share, share]),
        )


def _beta(alpha: float, chances: np.ndarray) -> np.ndarray:
    """Returns numbers of a Beta(alpha, alpha) distribution, float64 (n,); 1 if alpha is 0.

    Exact for every alpha: Devroye, "Random variate generation in one line of code" (1996), after Bailey's way to
    Student's t.

    Args:
        alpha: from 0 up.
        chances: uniform in (0, 1), (n, 2).
    """
    if not alpha:
        return np.ones(len(chances))
    logarithm, cosine = np.log(chances[:, 0]) / alpha, np.cos(2 * np.pi * chances[:, 1])
    wide = cosine**2 * -np.expm1(logarithm)
    return (1 + np.sign(cosine) * np.sqrt(wide / (wide + np.exp(logarithm)))) / 2


def _pasted(under: np.ndarray | None, over: np.ndarray | None, here: tuple[slice, slice]) -> np.ndarray | None:
    if under is None or over is None:
        return None
    pasted = under.copy()
    pasted[here] = over[here]
    return pasted


OPERATIONS = (Mixup(), Cutmix(), Mosaic(), CopyPaste())
