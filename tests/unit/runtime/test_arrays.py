"""Files of NumPy's format."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from synthmill.runtime.arrays import open_array


def test_array_is_mapped_and_cannot_be_written(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(12).reshape(3, 4))
    found = open_array(tmp_path / "a.npy")
    assert found.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert not found.flags.writeable


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x05\x00{'a':"], ids=["empty", "zip", "cut"]
)
def test_what_is_no_array_is_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r".+"):
        open_array(tmp_path / "a.npy")


def test_objects_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects"):
        open_array(tmp_path / "a.npy")


def test_many_threads_open_at_once(tmp_path):
    """The parser that reads a header is one for all threads, in some versions of Python."""
    np.save(tmp_path / "a.npy", np.arange(3))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: open_array(tmp_path / "a.npy").sum(), range(2000)))
    assert set(found) == {3}
