"""Turns what was found in a source into uint8 pixels of one shape, trusting nothing in it."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from synthmill.kinds.base import IssueReason, Item, Record, Rejection, Schema
from synthmill.kinds.image.parameters import MAX_SIDE, ImageImport
from synthmill.kinds.image.schema import shape_of
from synthmill.runtime.errors import BadData

T = TypeVar("T")

_SUFFIXES_BY_FORMAT = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
FORMATS = tuple(_SUFFIXES_BY_FORMAT)
SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES_BY_FORMAT.values() for suffix in suffixes)
MAX_PIXELS = 50_000_000

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
_SIXTEEN_BIT_MODES = frozenset({"I", "I;16", "I;16B", "I;16L"})
_WHITE = (255, 255, 255, 255)


@dataclasses.dataclass(frozen=True)
class RawPixels:
    """An image that a source stores as numbers.

    Attributes:
        array: (H, W) or (H, W, C) with C of 1, 3 or 4.
        black: number that means black.
        white: number that means white.
    """

    array: np.ndarray
    black: float = 0.0
    white: float = 255.0


class _Refused(Exception):
    def __init__(self, reason: IssueReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def decode(item: Item, schema: Schema, parameters: ImageImport) -> Record | Rejection:
    """Decodes an item to the schema's height, width and channels.

    Returns:
        A record with the column "image", uint8 (H, W, C), and the traits "source_size" (height x width) and
        "source_mode" (Pillow's name); or a rejection.
    """
    height, width, channels = shape_of(schema)

    def read() -> Record:
        image = _open(item.payload, parameters.white)
        traits = {"source_size": f"{image.height}x{image.width}", "source_mode": image.mode}
        pixels = np.asarray(_fit(_convert(image, channels), (width, height), parameters))
        return Record({"image": pixels.reshape(height, width, channels)}, traits)

    return _guarded(item, read)


def infer_schema(parameters: ImageImport, items: Sequence[Item]) -> Schema:
    """Fixes height, width and channels: as given, else the most frequent size and RGB if any image has colour.

    Raises:
        BadData: none of the items can be read.
    """
    if parameters.height and parameters.width and parameters.channels:
        return {"height": parameters.height, "width": parameters.width, "channels": parameters.channels}
    sizes: Counter[tuple[int, int]] = Counter()
    colour = False
    refusals: list[str] = []
    for item in items:
        glance = _guarded(item, lambda item=item: _glance(item.payload, parameters.white))
        if isinstance(glance, Rejection):
            refusals.append(f"{glance.source}: {glance.detail}")
            continue
        size, has_colour = glance
        sizes[size] += 1
        colour |= has_colour
    if not sizes:
        raise BadData(
            f"none of the first {len(items)} items can be used; {refusals[0]}",
            field="source_uri",
            allowed="at least one readable image",
        )
    height, width = max(sizes, key=lambda size: (sizes[size], size))
    return {
        "height": parameters.height or min(height, MAX_SIDE),
        "width": parameters.width or min(width, MAX_SIDE),
        "channels": parameters.channels or (3 if colour else 1),
    }


def _guarded(item: Item, read: Callable[[], T]) -> T | Rejection:
    """Runs a function on an item's bytes and turns whatever goes wrong into a rejection."""
    try:
        return read()
    except _Refused as refusal:
        return Rejection(item.source, refusal.reason, str(refusal))
    except FileNotFoundError:
        return Rejection(item.source, IssueReason.MISSING, "the file is not there")
    except UnidentifiedImageError:
        return _unidentified(item)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Rejection(item.source, IssueReason.TOO_LARGE, f"more than {MAX_PIXELS:,} pixels")
    # Decoders raise whatever a damaged file makes them raise; whichever it is, this item is at fault.
    except Exception as error:
        return Rejection(item.source, IssueReason.CORRUPT, f"cannot be decoded: {error}")


def _open(payload: Path | bytes | RawPixels, white: float) -> Image.Image:
    if isinstance(payload, RawPixels):
        return _from_numbers(payload, white)
    data = payload.read_bytes() if isinstance(payload, Path) else payload
    if not data:
        raise _Refused(IssueReason.CORRUPT, "the file is empty")
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    # The header alone tells the size; nothing has been decoded yet.
    _check_size(image.width, image.height)
    # Phones put previews behind a JPEG (format MPO); those are not frames of an animation.
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise _Refused(IssueReason.UNSUPPORTED_FORMAT, f"{image.n_frames} frames, allowed: a still image")
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _Refused(IssueReason.TOO_LARGE, f"{width} x {height} pixels, allowed: {MAX_PIXELS:,} in all")


def _from_numbers(raw: RawPixels, white: float) -> Image.Image:
    array = raw.array[..., 0] if raw.array.ndim == 3 and raw.array.shape[2] == 1 else raw.array
    _check_size(*array.shape[1::-1])
    scale = (white or raw.white) - raw.black
    if array.dtype != np.uint8 or raw.black != 0 or scale != 255:
        if not np.isfinite(array).all():
            raise _Refused(IssueReason.CORRUPT, "has numbers that are not finite")
        levels = (array.astype(np.float64) - raw.black) * (255 / scale)
        array = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


def _convert(image: Image.Image, channels: int) -> Image.Image:
    # Cameras store turned pictures with a note which way is up.
    image = ImageOps.exif_transpose(image) if image.format else image
    if image.mode in _SIXTEEN_BIT_MODES:
        image = _from_sixteen_bits(image)
    if image.mode == "F":
        raise _Refused(IssueReason.UNSUPPORTED_FORMAT, "pixels are floats whose range is not known")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    return image.convert("L" if channels == 1 else "RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65_535:
        raise _Refused(IssueReason.UNSUPPORTED_FORMAT, "pixels are 32-bit integers above 65535 or below 0")
    return Image.fromarray((levels // 257).astype(np.uint8))


def _fit(image: Image.Image, size: tuple[int, int], parameters: ImageImport) -> Image.Image:
    if image.size == size:
        return image
    # Pillow's bicubic filter widens as it shrinks, so nothing aliases (arXiv 2104.11222).
    if parameters.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    if parameters.fit == "pad":
        grey = parameters.padding
        colour = grey if image.mode == "L" else (grey, grey, grey)
        return ImageOps.pad(image, size, Image.Resampling.BICUBIC, color=colour)
    return image.resize(size, Image.Resampling.BICUBIC)


def _glance(payload: Path | bytes | RawPixels, white: float) -> tuple[tuple[int, int], bool]:
    """Returns (height, width) and whether the image has colour, decoding no more than that takes."""
    image = _open(payload, white)
    size = (image.height, image.width)
    if image.mode != "P":
        return size, image.mode not in _GREY_MODES
    pixels = np.asarray(image.convert("RGB"))
    return size, bool((pixels != pixels[..., :1]).any())


def _unidentified(item: Item) -> Rejection:
    allowed = "allowed: " + ", ".join(FORMATS)
    suffix = PurePosixPath(item.source).suffix.lower()
    if suffix in SUFFIXES:
        return Rejection(item.source, IssueReason.CORRUPT, f"named {suffix}, but its content is no image; {allowed}")
    return Rejection(item.source, IssueReason.UNSUPPORTED_FORMAT, f"no image; {allowed}")
