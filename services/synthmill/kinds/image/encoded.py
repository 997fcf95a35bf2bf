"""Decodes PNG and JPEG files of any size, 16 bits a channel among them, trusting nothing in them."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image, ImageOps

from synthmill.kinds.image.augmentation.example import MAX_PIXELS, MAX_SIDE
from synthmill.runtime.errors import InvalidField

FIELD = "encoded"

_FORMATS = ("PNG", "JPEG")
_ALLOWED = "the bytes of a whole PNG or JPEG file"
_SIZES = f"1 to {MAX_SIDE} pixels a side, {MAX_PIXELS} pixels in all"
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_WHITE = (255, 255, 255, 255)
# In a PNG file the header comes first, and the bits of a channel have their fixed place in it.
_PNG_DEPTH = 24


def read_encoded(data: bytes) -> np.ndarray:
    """Returns the pixels of a file, uint8 or uint16 (height, width, 1 or 3), grey or RGB, the right way up.

    What is transparent is put on white, as an import does.

    Raises:
        InvalidField: it is no whole PNG or JPEG file, or too large once decoded; the header alone tells the size.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        width, height = image.size
        if not (width <= MAX_SIDE and height <= MAX_SIDE and width * height <= MAX_PIXELS):
            raise InvalidField(FIELD, f"{width} x {height} pixels", _SIZES)
        pixels = _read_deep(data, image) if _is_deep(data, image) else _read(image)
    except InvalidField:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidField(FIELD, "more pixels than are decoded", _SIZES) from None
    # Decoders raise whatever a damaged file makes them raise.
    except Exception as error:
        raise InvalidField(FIELD, f"{len(data)} bytes that cannot be decoded: {error}", _ALLOWED) from None
    return pixels.reshape(*pixels.shape[:2], -1)


def _is_deep(data: bytes, image: Image.Image) -> bool:
    return image.format == "PNG" and data[_PNG_DEPTH] == 16


def _read(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        grey = image.mode in ("LA", "La", "L")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
        return np.asarray(image.convert("L" if grey else "RGB"))
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _read_deep(data: bytes, image: Image.Image) -> np.ndarray:
    """Reads 16 bits a channel, of which Pillow would keep 8."""
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        raise InvalidField(FIELD, "16 bits a channel and transparency", "one or the other")
    # Unlike OpenCV, Pillow tells when the end is missing.
    image.load()
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    if pixels is None:
        raise ValueError("damaged")
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
