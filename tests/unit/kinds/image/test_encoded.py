"""PNG and JPEG files of any size, and what is no such file."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from synthmill.kinds.image.encoded import read_encoded
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField

RGB = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def saved(image: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Returns a PNG file of so many pixels that has next to no bytes."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, body in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b""))):
        parts.append(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
    return b"".join(parts)


def test_colour_and_grey_are_kept():
    assert np.array_equal(read_encoded(saved(Image.fromarray(RGB))), RGB)
    grey = read_encoded(saved(Image.fromarray(RGB[:, :, 0])))
    assert np.array_equal(grey, RGB[:, :, :1])
    palette = read_encoded(saved(Image.fromarray(RGB).quantize(4)))
    assert palette.shape == RGB.shape
    jpeg = read_encoded(saved(Image.new("RGB", (7, 9), (200, 30, 90)), "JPEG", quality=95))
    assert np.abs(jpeg.astype(int) - [200, 30, 90]).max() < 6


def test_sixteen_bits_are_kept():
    deep = np.random.default_rng(1).integers(0, 65_536, (5, 6, 3), np.uint16)
    ok, data = cv2.imencode(".png", deep[:, :, ::-1])
    assert ok
    assert np.array_equal(read_encoded(data.tobytes()), deep)
    ok, data = cv2.imencode(".png", deep[:, :, 0])
    assert np.array_equal(read_encoded(data.tobytes()), deep[:, :, :1])


def test_transparency_is_put_on_white_and_turned_pictures_are_turned():
    clear = np.dstack([RGB, np.zeros((9, 7), np.uint8)])
    assert (read_encoded(saved(Image.fromarray(clear))) == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_encoded(saved(Image.fromarray(RGB), "JPEG", exif=exif)).shape == (7, 9, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "PNG or JPEG"),
        (b"nothing", "PNG or JPEG"),
        (saved(Image.fromarray(RGB), "BMP"), "PNG or JPEG"),
        (saved(Image.fromarray(RGB))[:-40], "PNG or JPEG"),
        (saved(Image.fromarray(np.tile(RGB, (9, 9, 1))), "JPEG")[:-200], "PNG or JPEG"),
        (png_header(50_000, 1), "50000 x 1 pixels"),
        (png_header(16_000, 16_000), "pixels"),
        (png_header(9_000, 9_000), "9000 x 9000 pixels"),
    ],
    ids=["empty", "text", "bmp", "short-png", "short-jpeg", "long", "bomb", "large"],
)
def test_what_is_no_whole_file_or_too_large_is_refused_undecoded(data, said):
    with pytest.raises(InvalidField, match=said) as refusal:
        read_encoded(data)
    assert refusal.value.metadata["field"] == "encoded"


def test_kind_reads_files_and_tells_the_schema():
    kind = get_kind("image")
    record = kind.read_file(saved(Image.fromarray(RGB)))
    assert np.array_equal(record["image"], RGB)
    schema = kind.schema_of(record)
    assert schema == {"height": 9, "width": 7, "channels": 3}
    assert kind.columns(schema)["image"][1] == RGB.shape
