"""Pictures that announce, or unpack to, far more pixels or text than their bytes hold."""

from __future__ import annotations

import struct
import zlib

from fuzz.hostile.archives import MIB, PNG, member, tarred
from unit.kinds.image.drawing import png_header

SIDE = 100_000
FORMS = ("jpg", "gif", "tif", "bmp", "ppm")


def png(*chunks: tuple[bytes, bytes], width: int = 8, height: int = 8) -> bytes:
    """Returns a PNG file of a header for grey pixels and any chunks."""
    told = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", told), *chunks, (b"IEND", b"")]
    framed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def zeros(size_bytes: int) -> bytes:
    """Returns zeros in zlib's format."""
    return zlib.compress(bytes(size_bytes), 1)


def gif() -> bytes:
    """Returns a GIF file with the largest screen and frame that its format has."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00;"
    return screen + frame


def jpeg() -> bytes:
    """Returns the beginning of a JPEG file with the largest size that its format has."""
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65535, 65535, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(100) + b"\xff\xd9"


def tiff() -> bytes:
    """Returns a TIFF file of one strip that announces a huge picture."""
    tags = [(256, 4, SIDE), (257, 4, SIDE), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 4, SIDE), (279, 4, 8)]
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + struct.pack("<H", len(tags)) + entries + bytes(4)


def bmp() -> bytes:
    """Returns a BMP file that announces a huge picture."""
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    )


def mixed() -> bytes:
    """Returns a tar archive of one picture among hostile ones."""
    text, profile = (b"zTXt", b"Comment\0\0" + zeros(500 * MIB)), (b"iCCP", b"icc\0\0" + zeros(500 * MIB))
    data = (b"IDAT", zeros(72))
    files = {
        "good.png": PNG,
        "header.png": png_header(SIDE, SIDE),
        "large.jpg": jpeg(),
        "large.gif": gif(),
        "large.tif": tiff(),
        "large.bmp": bmp(),
        "large.ppm": b"P6 100000 100000 255\n" + bytes(10),
        "text.png": png(text, data),
        "profile.png": png(profile, data),
        "cut.png": png_header(8, 8)[:-16] + bytes(16),
        "more.png": png((b"IDAT", zeros(500 * MIB))),
    }
    return tarred(*((member(name), content) for name, content in files.items()))


MIXED = {
    "pictures.tar": (
        mixed,
        {
            **dict.fromkeys(
                ["header.png", "large.jpg", "large.gif", "large.tif", "large.bmp", "large.ppm"], "TOO_LARGE"
            ),
            **dict.fromkeys(["text.png", "profile.png", "cut.png"], "CORRUPT"),
        },
    )
}
"""As in `archives`. What a picture has beyond its pixels, as `more.png` has, is never unpacked."""
