"""Archives that unpack to far more than they are, reach outside, or break who reads them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable

import numpy as np
from fuzz.hostile.case import Case
from unit.kinds.image.drawing import encode, grey

MIB = 1024 * 1024
PNG = encode(grey())
NOISE = np.random.default_rng(0).bytes(2000)
_CENTRAL = b"PK\x01\x02"
_LOCAL = b"PK\x03\x04"


def zipped(members: dict[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Returns a zip archive, deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def changed_header(data: bytes, place: int, layout: str, value: int) -> bytes:
    """Returns a zip archive of one member with a number changed in both of its headers.

    Args:
        place: where it is in the local header; the central one has it two bytes later.
        layout: of the number, for `struct`.
    """
    changed = bytearray(data)
    struct.pack_into(layout, changed, data.index(_LOCAL) + place, value)
    struct.pack_into(layout, changed, data.index(_CENTRAL) + place + 2, value)
    return bytes(changed)


def overlapping_zip(count: int, member_bytes: int) -> bytes:
    """Returns a zip archive that names one member many times, so that it unpacks to `count` times as much."""
    data = zipped({"0000.png": bytes(member_bytes)})
    start, end = data.index(_CENTRAL), data.index(b"PK\x05\x06")
    entry = data[start:end]
    entries = b"".join(entry.replace(b"0000.png", b"%04d.png" % number) for number in range(count))
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    return data[:start] + entries + tail


def nested_zip(depth: int) -> bytes:
    """Returns a zip archive of a zip archive of ..., the innermost of which holds 32 MiB of zeros."""
    data = bytes(32 * MIB)
    for level in range(depth):
        data = zipped({f"{level}.zip": data})
    return data


def mixed_zip() -> bytes:
    """Returns a zip archive of one picture among members that reach outside, or are too large."""
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    names = ("../../../tmp/climbs.png", "/etc/root.png", "C:\\drive.png")
    members = {"good.png": PNG, **dict.fromkeys(names, PNG), link: b"/etc/passwd"}
    return zipped({**members, "zeros.png": bytes(60 * MIB), "huge.png": bytes(70 * MIB)})


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Returns a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def mixed_tar() -> bytes:
    """Returns a tar archive of one picture among members that reach outside, or are no files."""
    return tarred(
        (member("good.png"), PNG),
        (member("../../climbs.png"), PNG),
        (member("/etc/root.png"), PNG),
        (member("symbolic.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
        (member("hard.png", type=tarfile.LNKTYPE, linkname="/etc/passwd"), b""),
        (member("device.png", type=tarfile.CHRTYPE), b""),
        (member("pipe.png", type=tarfile.FIFOTYPE), b""),
    )


def member(name: str, **fields: object) -> tarfile.TarInfo:
    """Returns the header of a file in a tar archive."""
    info = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def long_header(compress: Callable[[bytes], bytes], kind: bytes) -> bytes:
    """Returns a compressed tar archive whose first header says that a name, or attributes, of 4 GiB follow."""
    info = member("././@LongLink", type=kind, size=4096 * MIB)
    header = info.tobuf(tarfile.GNU_FORMAT)
    # Each of these formats lets compressed parts follow one another.
    return compress(header) + compress(bytes(16 * MIB)) * 256


def negative_tar() -> bytes:
    """Returns a tar archive with a member of a negative size, whose successor is itself."""
    header = bytearray(member("1.png").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(1024)


MALFORMED = {
    "zip-of-a-later-version": Case("a.zip", lambda: changed_header(zipped({"1.png": PNG}), 4, "<H", 99), "damaged"),
    "zip-of-an-unknown-method": Case("a.zip", lambda: changed_header(zipped({"1.png": PNG}), 8, "<H", 99), "CORRUPT 1"),
    "zip-that-is-encrypted": Case("a.zip", lambda: changed_header(zipped({"1.png": PNG}), 6, "<H", 1), "FORMAT 1"),
    "zip-with-a-name-in-no-encoding": Case(
        "a.zip", lambda: zipped({"é.png": PNG}).replace("é".encode(), b"\xff\xff"), "damaged"
    ),
    "tar-of-a-negative-size": Case("a.tar", negative_tar, "damaged"),
    "tar-that-is-cut": Case("a.tar.xz", lambda: lzma.compress(tarred((member("1.png"), NOISE)))[:200], "damaged"),
    "tar-in-no-compression": Case("a.tar.xz", lambda: b"\xfd7zXZ\0" + bytes(1000), "damaged"),
}
"""Found out by the header, or by whoever reads on."""

BOMBS = {
    "zip-of-one-huge-member": Case("a.zip", lambda: zipped({"1.png": bytes(100 * MIB)}), "TOO_LARGE 1"),
    "zip-of-overlapping-members": Case(
        "a.zip", lambda: overlapping_zip(2000, 60 * MIB), "unpacks to more", "RESOURCE_EXHAUSTED"
    ),
    "zip-of-zips": Case("a.zip", lambda: nested_zip(5), "no image"),
    "zip-that-understates-its-member": Case(
        "a.zip", lambda: changed_header(zipped({"1.png": bytes(500 * MIB)}), 22, "<I", 100), "CORRUPT 1"
    ),
    "tar-with-a-huge-name": Case("a.tar.gz", lambda: long_header(gzip.compress, tarfile.GNUTYPE_LONGNAME), "damaged"),
    "tar-with-huge-attributes": Case("a.tar.bz2", lambda: long_header(bz2.compress, tarfile.XHDTYPE), "damaged"),
    "tar-with-a-huge-link": Case("a.tar.xz", lambda: long_header(lzma.compress, tarfile.GNUTYPE_LONGLINK), "damaged"),
}
"""Small files that would unpack to much."""

MIXED = {
    "members.zip": (
        mixed_zip,
        {
            "../../../tmp/climbs.png": "UNSAFE_PATH",
            "/etc/root.png": "UNSAFE_PATH",
            "C:/drive.png": "UNSAFE_PATH",
            "link.png": "UNSAFE_PATH",
            "zeros.png": "CORRUPT",
            "huge.png": "TOO_LARGE",
        },
    ),
    "members.tar": (
        mixed_tar,
        {
            "../../climbs.png": "UNSAFE_PATH",
            "/etc/root.png": "UNSAFE_PATH",
            "symbolic.png": "UNSAFE_PATH",
            "hard.png": "UNSAFE_PATH",
            "device.png": "UNSUPPORTED_FORMAT",
            "pipe.png": "UNSUPPORTED_FORMAT",
        },
    ),
}
"""Archives with one picture that is good, and the reasons for which each other member is dropped."""
