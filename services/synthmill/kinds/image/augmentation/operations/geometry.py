"""Operations that move pixels by projective maps.

Images have their corners at (0, 0) and (width, height). What a map brings into the picture from outside is what the
policy's border says.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from synthmill.kinds.base import parameter
from synthmill.kinds.image.augmentation import matrices
from synthmill.kinds.image.augmentation.example import MAX_SIDE
from synthmill.kinds.image.augmentation.operations.base import Drawn, Geometry, Placement, draw_window


class HorizontalFlip(Geometry):
    """Mirrors left and right."""

    name = "horizontal_flip"

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        return Placement(matrices.translation(size[:, 1], 0) @ matrices.linear(-1, 0, 0, 1), size)


class VerticalFlip(Geometry):
    """Mirrors top and bottom."""

    name = "vertical_flip"

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        return Placement(matrices.translation(0, size[:, 0]) @ matrices.linear(1, 0, 0, -1), size)


class Transpose(Geometry):
    """Mirrors at the diagonal from the upper left corner; height and width change places."""

    name = "transpose"

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        return Placement(np.tile(matrices.linear(0, 1, 1, 0), (len(size), 1, 1)), size[:, ::-1])


@dataclasses.dataclass(frozen=True)
class QuarterTurnParameters:
    """How far."""

    turns: tuple[int, int] = parameter((0, 3), "quarters of a turn, anticlockwise", minimum=0, maximum=3)


class QuarterTurn(Geometry):
    """Turns by right angles; height and width change places where it must be."""

    name = "quarter_turn"
    parameters = QuarterTurnParameters

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        turns = drawn["turns"]
        cosine, sine = np.array([1, 0, -1, 0])[turns], np.array([0, 1, 0, -1])[turns]
        turned = np.where((turns % 2 == 1)[:, None], size[:, ::-1], size)
        there, back = matrices.translation(*turned.T[::-1] / 2), matrices.translation(*-size.T[::-1] / 2)
        return Placement(there @ matrices.linear(cosine, sine, -sine, cosine) @ back, turned)


@dataclasses.dataclass(frozen=True)
class RotateParameters:
    """How far."""

    degrees: tuple[float, float] = parameter((-15.0, 15.0), "angle, anticlockwise", minimum=-360, maximum=360)


class Rotate(Geometry):
    """Turns about the centre."""

    name = "rotate"
    parameters = RotateParameters

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        angle = np.radians(drawn["degrees"])
        cosine, sine = np.cos(angle), np.sin(angle)
        return Placement(matrices.about_centre(matrices.linear(cosine, sine, -sine, cosine), size), size)


@dataclasses.dataclass(frozen=True)
class ShearParameters:
    """How far, in each direction."""

    x: tuple[float, float] = parameter((-10.0, 10.0), "angle of vertical lines, in degrees", minimum=-80, maximum=80)
    y: tuple[float, float] = parameter((0.0, 0.0), "angle of horizontal lines, in degrees", minimum=-80, maximum=80)


class Shear(Geometry):
    """Slants about the centre."""

    name = "shear"
    parameters = ShearParameters

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        x, y = np.tan(np.radians(drawn["x"])), np.tan(np.radians(drawn["y"]))
        # One after the other: done together, two angles of 45 degrees would leave a line.
        slanted = matrices.linear(1, 0, y, 1) @ matrices.linear(1, x, 0, 1)
        return Placement(matrices.about_centre(slanted, size), size)


@dataclasses.dataclass(frozen=True)
class TranslateParameters:
    """How far, in each direction."""

    x: tuple[float, float] = parameter((-0.1, 0.1), "way to the right, as a share of the width", minimum=-1, maximum=1)
    y: tuple[float, float] = parameter((-0.1, 0.1), "way down, as a share of the height", minimum=-1, maximum=1)


class Translate(Geometry):
    """Shifts."""

    name = "translate"
    parameters = TranslateParameters

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        return Placement(matrices.translation(drawn["x"] * size[:, 1], drawn["y"] * size[:, 0]), size)


@dataclasses.dataclass(frozen=True)
class ScaleParameters:
    """How much."""

    factor: tuple[float, float] = parameter(
        (0.9, 1.1), "size of what is shown, as a multiple", minimum=0.01, maximum=100
    )


class Scale(Geometry):
    """Enlarges or shrinks what is shown, about the centre; the image keeps its size."""

    name = "scale"
    parameters = ScaleParameters

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        factor = drawn["factor"]
        return Placement(matrices.about_centre(matrices.linear(factor, 0, 0, factor), size), size)


@dataclasses.dataclass(frozen=True)
class PerspectiveParameters:
    """How much."""

    strength: tuple[float, float] = parameter(
        (0.02, 0.1), "how far each corner may move inwards, as a share of the sides", minimum=0, maximum=0.3
    )


class Perspective(Geometry):
    """Shows the image as if from another place: each corner is drawn from further inside."""

    name = "perspective"
    parameters = PerspectiveParameters
    extra_draws = 8

    def draw(self, given: Any, chances: np.ndarray, size: np.ndarray) -> Drawn:
        drawn = super().draw(given, chances, size)
        inwards = self.extra(chances).reshape(-1, 4, 2) * drawn["strength"][:, None, None]
        return {**drawn, "inwards": inwards}

    def place(self, given: Any, drawn: Drawn, size: np.ndarray) -> Placement:
        corners = matrices.corners(size)
        centre = size[:, None, ::-1] / 2
        inner = corners + 2 * drawn["inwards"] * (centre - corners)
        return Placement(matrices.between_quadrangles(inner, corners), size)


@dataclasses.dataclass(frozen=True)
class SizeParameters:
    """Size of the result."""

    height: int = parameter(224, "height of the result, in pixels", minimum=1, maximum=MAX_SIDE)
    width: int = parameter(224, "width of the result, in pixels", minimum=1, maximum=MAX_SIDE)


class Crop(Geometry):
    """Cuts out a window of a fixed size, anywhere; where the image is smaller, it lies anywhere in the window."""

    name = "crop"
    parameters = SizeParameters
    extra_draws = 2

    def draw(self, given: SizeParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        room = size - (given.height, given.width)
        # As many whole offsets as there are, each as often.
        offset = np.sign(room) * np.floor(chances * (np.abs(room) + 1))
        return {"top": offset[:, 0], "left": offset[:, 1]}

    def place(self, given: SizeParameters, drawn: Drawn, size: np.ndarray) -> Placement:
        return Placement(matrices.translation(-drawn["left"], -drawn["top"]), _sizes(given, len(size)))

    def adds_border(self, given: SizeParameters, size: np.ndarray) -> np.ndarray:
        return (size < (given.height, given.width)).any(axis=1)


class CentreCrop(Geometry):
    """Cuts a window of a fixed size out of the middle."""

    name = "centre_crop"
    parameters = SizeParameters

    def place(self, given: SizeParameters, drawn: Drawn, size: np.ndarray) -> Placement:
        top, left = np.floor((size - (given.height, given.width)) / 2).T
        return Placement(matrices.translation(-left, -top), _sizes(given, len(size)))

    def adds_border(self, given: SizeParameters, size: np.ndarray) -> np.ndarray:
        return (size < (given.height, given.width)).any(axis=1)


class Resize(Geometry):
    """Brings the whole image to a fixed size."""

    name = "resize"
    parameters = SizeParameters

    def place(self, given: SizeParameters, drawn: Drawn, size: np.ndarray) -> Placement:
        y, x = (_sizes(given, len(size)) / size).T
        return Placement(matrices.linear(x, 0, 0, y), _sizes(given, len(size)))


class Letterbox(Geometry):
    """Brings the whole image into a fixed size without changing its proportions; the rest is border."""

    name = "letterbox"
    parameters = SizeParameters

    def place(self, given: SizeParameters, drawn: Drawn, size: np.ndarray) -> Placement:
        wanted = _sizes(given, len(size))
        factor = (wanted / size).min(axis=1)
        y, x = ((wanted - size * factor[:, None]) / 2).T
        return Placement(matrices.translation(x, y) @ matrices.linear(factor, 0, 0, factor), wanted)

    def adds_border(self, given: Any, size: np.ndarray) -> np.ndarray:
        return np.ones(len(size), bool)


@dataclasses.dataclass(frozen=True)
class RandomResizedCropParameters:
    """What is cut out, and what size it is brought to."""

    area: tuple[float, float] = parameter((0.08, 1.0), "share of the image that is cut out", above=0, maximum=1)
    aspect: tuple[float, float] = parameter(
        (3 / 4, 4 / 3),
        "its width by its height; a ratio is as likely as its inverse",
        above=0,
        maximum=100,
    )
    height: int = parameter(0, "height of the result, in pixels; 0 is the image's", minimum=0, maximum=MAX_SIDE)
    width: int = parameter(0, "width of the result, in pixels; 0 is the image's", minimum=0, maximum=MAX_SIDE)


class RandomResizedCrop(Geometry):
    """Cuts out a window of any size, place and proportions and brings it to a fixed size (arXiv 1409.4842)."""

    name = "random_resized_crop"
    parameters = RandomResizedCropParameters
    extra_draws = 2

    def draw(self, given: RandomResizedCropParameters, chances: np.ndarray, size: np.ndarray) -> Drawn:
        area = super().draw(given, chances, size)["area"]
        window, corner = draw_window(area, given.aspect, chances[:, 1:], size)
        return {"top": corner[:, 0], "left": corner[:, 1], "height": window[:, 0], "width": window[:, 1]}

    def place(self, given: RandomResizedCropParameters, drawn: Drawn, size: np.ndarray) -> Placement:
        asked = np.array([given.height, given.width])
        result = np.where(asked, asked, size)
        y, x = result[:, 0] / drawn["height"], result[:, 1] / drawn["width"]
        window = matrices.translation(-drawn["left"], -drawn["top"])
        return Placement(matrices.linear(x, 0, 0, y) @ window, result)


@dataclasses.dataclass(frozen=True)
class PadParameters:
    """How much, on each side."""

    left: tuple[int, int] = parameter((0, 0), "pixels on the left", minimum=0, maximum=MAX_SIDE)
    top: tuple[int, int] = parameter((0, 0), "pixels at the top", minimum=0, maximum=MAX_SIDE)
    right: tuple[int, int] = parameter((0, 0), "pixels on the right", minimum=0, maximum=MAX_SIDE)
    bottom: tuple[int, int] = parameter((0, 0), "pixels at the bottom", minimum=0, maximum=MAX_SIDE)


class Pad(Geometry):
    """Adds a border."""

    name = "pad"
    parameters = PadParameters

    def place(self, given: PadParameters, drawn: Drawn, size: np.ndarray) -> Placement:
        more = np.stack([drawn["top"] + drawn["bottom"], drawn["left"] + drawn["right"]], axis=1)
        return Placement(matrices.translation(drawn["left"], drawn["top"]), size + more)

    def adds_border(self, given: Any, size: np.ndarray) -> np.ndarray:
        return np.ones(len(size), bool)


def _sizes(given: SizeParameters, count: int) -> np.ndarray:
    return np.tile(np.array([given.height, given.width], np.float64), (count, 1))


OPERATIONS = (
    HorizontalFlip(),
    VerticalFlip(),
    Transpose(),
    QuarterTurn(),
    Rotate(),
    Shear(),
    Translate(),
    Scale(),
    Perspective(),
    Crop(),
    CentreCrop(),
    RandomResizedCrop(),
    Resize(),
    Letterbox(),
    Pad(),
)
