"""Draws what every operation on images does, and writes the page that shows it: docs/operations.md and its pictures."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from synthmill.kinds.image.augmentation.example import Example
from synthmill.kinds.image.augmentation.side import AUGMENTATION
from synthmill.kinds.parameters import describe

SIDE = 144
SHOWN = 5
SCALE = 4
PAGE, FOLDER = "operations.md", "operations"
# Where the defaults would show nothing of an image as small as this.
GIVEN = {
    "crop": {"height": 96, "width": 96},
    "centre_crop": {"height": 96, "width": 96},
    "resize": {"height": 72, "width": 120},
    "letterbox": {"height": 72, "width": 120},
    "pad": {"left": [0, 40], "top": [0, 40]},
}
INTRODUCTION = """# Operations on images

Made by `{command}`. The first picture of each row is the image as it is, with two boxes, a mask and three keypoints;
the others are what an operation makes of it, with the seeds 0 to {last} and its defaults, unless it says otherwise.
Operations that mix an image with others have the one on the right among their partners.
"""


def scene(sky: tuple[int, int, int], wall: tuple[int, int, int], at: float) -> Example:
    """Returns a house and a tree under a sun, with a box and a class of the mask for house and tree."""
    size, shift = SIDE * SCALE, int(at * SIDE * SCALE)
    rows = np.linspace(0, 1, size)[:, None, None]
    picture = Image.fromarray(np.tile((np.array(sky) * (1 - rows) + 255 * rows), (1, size, 1)).astype(np.uint8))
    mask = Image.new("L", (size, size))
    draw, shade = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    ground = int(size * 0.72)
    draw.rectangle((0, ground, size, size), fill=(106, 153, 78))
    for blade in range(0, size, 12):
        draw.line((blade, ground + 30 + blade % 60, blade + 6, ground + 18 + blade % 60), fill=(80, 125, 60), width=3)
    sun = (int(size * 0.08), int(size * 0.08), int(size * 0.26), int(size * 0.26))
    draw.ellipse(sun, fill=(255, 209, 102))
    left, right, top = int(size * 0.12) + shift, int(size * 0.52) + shift, int(size * 0.45)
    roof = [(left - 20, top), ((left + right) // 2, int(size * 0.25)), (right + 20, top)]
    body = (left, top, right, ground + 20)
    for canvas, wall_fill, roof_fill in ((draw, wall, (150, 60, 50)), (shade, 1, 1)):
        canvas.rectangle(body, fill=wall_fill)
        canvas.polygon(roof, fill=roof_fill)
    draw.rectangle((left + 40, top + 50, left + 100, top + 110), fill=(205, 230, 245), outline=(60, 60, 60), width=6)
    draw.rectangle((right - 90, top + 60, right - 30, ground + 20), fill=(92, 64, 51))
    stem, crown = int(size * 0.78), (int(size * 0.66), int(size * 0.34), int(size * 0.92), int(size * 0.62))
    for canvas, stem_fill, crown_fill in ((draw, (92, 64, 51), (56, 120, 70)), (shade, 2, 2)):
        canvas.rectangle((stem - 14, int(size * 0.55), stem + 14, ground + 30), fill=stem_fill)
        canvas.ellipse(crown, fill=crown_fill)
    boxes = np.array(
        [
            [left - 20, int(size * 0.25), right + 20, ground + 20],
            [crown[0], crown[1], crown[2], ground + 30],
        ],
        np.float32,
    )
    points = np.array([roof[1], (sun[0] + sun[2]) / 2 * np.ones(2), (stem, ground + 30)], np.float32)
    return Example(
        image=np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX)),
        label=np.array([1, 0], np.float32),
        boxes=(boxes / SCALE).clip(0, SIDE),
        box_labels=np.arange(2),
        mask=np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.NEAREST)),
        keypoints=points / SCALE,
        keypoint_labels=np.arange(3),
    )


def draw_operation(name: str, example: Example, partners: list[Example]) -> bytes:
    """Returns a row of pictures: the image, and what an operation makes of it."""
    augmenter = AUGMENTATION.open(AUGMENTATION.policy({"steps": [{"op": name, **GIVEN.get(name, {})}]}), partners)
    made = [augmenter.augment([example], [0], seed)[0] for seed in range(SHOWN)]
    beside = partners[:1] if AUGMENTATION.operations[name].partners else []
    return AUGMENTATION.picture([example, *made, *beside], [], SHOWN + 2)


def write_page(folder: Path, command: str) -> None:
    """Writes the page and its pictures.

    Args:
        folder: for the page; the pictures lie in a folder of it.
        command: that repeats this.
    """
    example = scene((110, 170, 230), (226, 190, 140), 0.0)
    partners = [scene((250, 170, 120), (150, 170, 190), 0.06), scene((70, 80, 140), (200, 140, 150), -0.05)]
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    text, group = [INTRODUCTION.format(command=command, last=SHOWN - 1)], ""
    for name, operation in AUGMENTATION.operations.items():
        if operation.group != group:
            group = operation.group
            text.append(f"## {group.capitalize()}\n")
        (folder / FOLDER / f"{name}.png").write_bytes(draw_operation(name, example, partners))
        text.append(f"### `{name}`\n\n{inspect.getdoc(type(operation)).splitlines()[0]}\n")
        if name in GIVEN:
            text.append("Shown with " + ", ".join(f"`{key}: {value}`" for key, value in GIVEN[name].items()) + ".\n")
        text.append(f"![{name}]({FOLDER}/{name}.png)\n")
        described = describe(operation.parameters)
        if described:
            rows = [
                f"| `{one.name}` | {_shown(one.default)} | {one.allowed} | {one.description} |" for one in described
            ]
            text.append("\n".join(["| Parameter | Default | Allowed | |", "|---|---|---|---|", *rows]) + "\n")
    (folder / PAGE).write_text("\n".join(text))


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return " to ".join(_shown(bound) for bound in default)
    return f"{default:.4g}" if isinstance(default, float) else str(default)


if __name__ == "__main__":
    write_page(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs", "make operations")
