"""How arrays lie in a block of memory that a device and the host have both."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthmill.sampling.device import Layout
from synthmill.sampling.slots import Field

DTYPES = st.sampled_from(["uint8", "bool", "int64", "uint64", "float16", "float32"])
FIELDS = st.lists(st.tuples(DTYPES, st.lists(st.integers(1, 7), min_size=1, max_size=3)), min_size=1, max_size=6)


@given(FIELDS)
def test_arrays_are_aligned_and_share_no_byte(wanted):
    layout = Layout.of([Field(f"f{n}", np.dtype(dtype), tuple(shape)) for n, (dtype, shape) in enumerate(wanted)])
    assert all(offset % 256 == 0 for offset in layout.offsets)
    views = layout.views(np.zeros(layout.size_bytes, np.uint8))
    assert [(view.dtype.name, list(view.shape)) for view in views.values()] == wanted
    for number, view in enumerate(views.values()):
        view[...] = number % 2
    assert all((view == number % 2).all() for number, view in enumerate(views.values()))


def test_views_write_to_the_block():
    layout = Layout.of([Field("a", np.dtype(np.uint8), (3,)), Field("b", np.dtype(np.int64), (2,))])
    host = np.zeros(layout.size_bytes, np.uint8)
    layout.views(host)["b"][:] = [1, -1]
    assert host[256:272].view(np.int64).tolist() == [1, -1]
    assert layout.size_bytes == 512
