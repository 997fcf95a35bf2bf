"""Tables and arrays that announce more than there is, hold code, or name files that are not theirs."""

from __future__ import annotations

import gzip
import io
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.hostile.archives import MIB, PNG, changed_header, zipped
from fuzz.hostile.case import Case


def npy(shape: str, descr: str = "'|u1'", data: bytes = b"") -> bytes:
    """Returns an array in NumPy's format whose header says what it is told to."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"
    return magic(header) + data


def magic(header: str) -> bytes:
    """Returns the beginning of an array in NumPy's format, with any header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


def npz(**arrays: bytes) -> bytes:
    """Returns a NumPy archive of arrays as bytes."""
    return zipped({f"{name}.npy": data for name, data in arrays.items()})


def pickled() -> bytes:
    """Returns a NumPy archive whose array is a pickle that would run a program."""

    class Program:
        def __reduce__(self):
            import os

            return os.system, ("touch /tmp/synthmill-was-here",)

    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([Program()], dtype=object))
    return buffer.getvalue()


def label_bomb() -> bytes:
    """Returns a NumPy archive of 8 tiny pictures and their labels, of 512 MiB each once they are unpacked."""
    pictures = npy("(8, 4, 4)", data=bytes(8 * 16))
    return npz(x=pictures, y=npy("(8,)", f"'|S{16 * MIB}'", bytes(8 * 16 * MIB)))


def parquet(columns: dict[str, pa.Array], features: object = None) -> bytes:
    """Returns a Parquet file, optionally one that declares features as Hugging Face does."""
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def repeated_value(count: int, value_bytes: int) -> bytes:
    """Returns a Parquet file of a few kilobytes: one large value, written once and named by every row."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([bytes(value_bytes)]))
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({"image": values}), buffer, compression="zstd", dictionary_pagesize_limit=2**30, store_schema=False
    )
    return buffer.getvalue()


def cut_parquet() -> bytes:
    """Returns a Parquet file without its middle."""
    data = parquet({"image": pa.array([PNG] * 50)})
    return data[:40] + data[-300:]


def garbled_parquet() -> bytes:
    """Returns a Parquet file whose description is not one."""
    data = bytearray(parquet({"image": pa.array([PNG] * 50)}))
    length = struct.unpack("<I", data[-8:-4])[0]
    data[-8 - length : -8] = b"\xff" * length
    return bytes(data)


def idx_bomb() -> bytes:
    """Returns a compressed IDX file that announces a thousand pictures of 64 MiB and has ten of them in zeros."""
    header = b"\0\0\x08\x03" + struct.pack(">III", 1000, 8192, 8191)
    return gzip.compress(header) + gzip.compress(bytes(64 * MIB)) * 10


_IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_NUMBERED = pa.struct({"bytes": pa.binary(), "path": pa.int64()})

MALFORMED = {
    "npz-with-a-pickle": Case("a.npz", pickled, "Python objects"),
    "npz-of-a-huge-shape": Case("a.npz", lambda: npz(x=npy("(1000000000000, 8, 8)")), "its header announces"),
    "npz-of-a-shape-that-overflows": Case("a.npz", lambda: npz(x=npy(f"(2, {2**32}, {2**32})")), "announces"),
    "npz-of-a-negative-shape": Case("a.npz", lambda: npz(x=npy("(4, -2, -8)", data=bytes(64))), "shape"),
    "npz-of-fewer-than-no-pictures": Case("a.npz", lambda: npz(x=npy("(-4, 2, 8)", data=bytes(64))), "shape"),
    "npz-of-a-shape-that-is-no-number": Case("a.npz", lambda: npz(x=npy("(10**9, 8, 8)")), "no NumPy array"),
    "npz-of-an-open-header": Case("a.npz", lambda: npz(x=magic("{'descr': '''")), "no NumPy array"),
    "npz-of-a-deep-header": Case("a.npz", lambda: npz(x=magic("(" * 3000)), "no NumPy array"),
    "npz-of-a-long-header": Case("a.npz", lambda: npz(x=magic("-" * 9000 + "1")), "no NumPy array"),
    "npz-of-an-unheard-of-type": Case("a.npz", lambda: npz(x=npy("(3, 4, 4)", "('|u1', (2, 'a'))")), "no NumPy array"),
    "npz-that-is-encrypted": Case("a.npz", lambda: changed_header(npz(x=npy("(1,)")), 6, "<H", 1), "damaged"),
    "parquet-without-its-middle": Case("a.parquet", cut_parquet, "damaged"),
    "parquet-of-a-garbled-description": Case("a.parquet", garbled_parquet, "damaged"),
    "parquet-of-odd-features": Case(
        "a.parquet", lambda: parquet({"image": pa.array([b"none"])}, ["image"]), "no image; allowed"
    ),
    "parquet-that-names-other-files": Case(
        "a.parquet",
        lambda: parquet({"image": pa.array([{"path": "/etc/passwd"}, {"path": "../../1.png"}], _IMAGE)}),
        "UNSAFE_PATH 2",
    ),
    "parquet-that-names-files-by-number": Case(
        "a.parquet", lambda: parquet({"image": pa.array([{"path": 7}], _NUMBERED)}), "MISSING 1"
    ),
    "csv-that-names-other-files": Case("a.csv", lambda: b"path\n/etc/passwd\n../../../etc/passwd\n", "UNSAFE_PATH 2"),
    "csv-of-impossible-names": Case("a.csv", lambda: b"path\na\0b.png\n" + b"x" * 5000 + b".png\n", "MISSING 2"),
    "csv-of-empty-lines": Case("a.csv", lambda: b"\n\n1.png\n", "MISSING 1"),
    "idx-of-more-pictures-than-allowed": Case(
        "images-idx3-ubyte",
        lambda: b"\0\0\x08\x03" + struct.pack(">III", 2**32 - 1, 1, 1),
        "4,294,967,295 images",
        "RESOURCE_EXHAUSTED",
    ),
}
"""Found out by the header, or by whoever reads on."""

BOMBS = {
    "npz-of-labels-that-unpack": Case("a.npz", label_bomb, "y has labels of 16,777,216 bytes"),
    "npz-of-labels-that-are-not-there": Case(
        "a.npz", lambda: npz(x=npy("(3, 4, 4)", data=bytes(48)), y=npy("(3,)", f"'<U{2**28}'")), "its header announces"
    ),
    "parquet-of-one-value-many-times": Case(
        "a.parquet", lambda: repeated_value(4096, 60 * MIB), "more memory", "RESOURCE_EXHAUSTED", memory_mb=1200
    ),
    "csv-of-one-endless-line": Case("a.csv", lambda: b"path\n" + b"," * (64 * MIB), "a line has more than"),
    "idx-that-unpacks": Case("train-images-idx3-ubyte.gz", idx_bomb, "8191 x 8192 pixels", memory_mb=800),
}
"""Small files that would unpack to much, or announce it."""
