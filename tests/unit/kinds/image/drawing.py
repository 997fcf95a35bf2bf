"""Images for tests, drawn on the spot."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def grey(height: int = 8, width: int = 8, seed: int = 0) -> np.ndarray:
    """Returns uint8 (height, width) with a gradient and some noise: no two seeds look alike."""
    generator = np.random.default_rng(seed)
    slope = generator.uniform(-1, 1, 2)
    rows, columns = np.mgrid[0:height, 0:width]
    plane = 128 + 60 * (slope[0] * (rows / height - 0.5) + slope[1] * (columns / width - 0.5))
    return np.clip(plane + generator.normal(0, 40, (height, width)), 0, 255).astype(np.uint8)


def colour(height: int = 8, width: int = 8, seed: int = 0) -> np.ndarray:
    """Returns uint8 (height, width, 3)."""
    return np.stack([grey(height, width, 3 * seed + channel) for channel in range(3)], axis=2)


def encode(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    """Encodes an array as an image file."""
    return encode_image(Image.fromarray(pixels), file_format)


def encode_image(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    """Encodes a Pillow image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Returns a tiny PNG file whose header announces any size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
