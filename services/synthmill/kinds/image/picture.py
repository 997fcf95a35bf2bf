"""Draws images as a captioned grid."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE = 72
_GAP = 10
_MARGIN = 16
_FONT_SIZE = 13
_CAPTION_HEIGHT = 20
_PAPER = (250, 250, 248)
_INK = (64, 64, 64)
_FRAME = (214, 214, 210)


def picture(images: np.ndarray, captions: Sequence[str], columns: int) -> bytes:
    """Draws images in rows, each with its caption below.

    Args:
        images: uint8 (N, H, W, C), C of 1 or 3; small ones are enlarged by a whole factor so that pixels stay square.
        captions: a text per image, shortened to the image's width; empty for none.
        columns: images in a row.

    Returns:
        A PNG file.
    """
    height, width = images.shape[1:3]
    factor = max(1, round(_TILE / max(height, width)))
    tile_width, tile_height = width * factor, height * factor
    step_x, step_y = tile_width + _GAP, tile_height + _GAP + (_CAPTION_HEIGHT if captions else 0)
    columns = max(1, min(columns, len(images)))
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (2 * _MARGIN + columns * step_x - _GAP, 2 * _MARGIN + rows * step_y - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    for position, pixels in enumerate(images):
        x, y = _MARGIN + position % columns * step_x, _MARGIN + position // columns * step_y
        draw.rectangle((x - 1, y - 1, x + tile_width, y + tile_height), outline=_FRAME)
        sheet.paste(_enlarge(pixels, factor), (x, y))
        if captions:
            text = _shorten(captions[position], tile_width + _GAP - 2, font)
            draw.text((x + tile_width / 2, y + tile_height + 3), text, fill=_INK, font=font, anchor="ma")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _enlarge(pixels: np.ndarray, factor: int) -> Image.Image:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _shorten(text: str, width: float, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
