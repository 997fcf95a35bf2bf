"""Chunks of samples as the bytes of a SampleChunk message, with one copy of the samples.

All is joined once, straight from the memory of the batches. Any protobuf parser reads the result; a test compares it
with what protobuf itself makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from synthmill.runtime.wire import Parts, number, prefix, tensor_parts, text

# Field numbers of SampleChunk and Batch.
_FIRST_INDEX, _COUNT, _BATCH, _MODEL_DIGEST, _MODEL = 1, 2, 3, 4, 5
_COLUMNS = 1

Pieces = Mapping[str, Sequence[np.ndarray]]
"""Columns by name, each in pieces that follow one another along the first axis."""


def encode_chunk(first_index: int, count: int, columns: Pieces, digest: str, model: str) -> bytes:
    """Returns a serialised SampleChunk.

    Args:
        first_index: index of the first sample.
        count: number of samples, at least 1.
        columns: the samples.
        digest: digest of the model version.
        model: name of the version; empty leaves it out.
    """
    batch: Parts = []
    size = 0
    for name, pieces in columns.items():
        parts, length = tensor_parts(name, pieces, (count, *pieces[0].shape[1:]))
        before = prefix(_COLUMNS, length)
        batch += [before, *parts]
        size += len(before) + length
    head = number(_FIRST_INDEX, first_index) + number(_COUNT, count) + prefix(_BATCH, size)
    tail = text(_MODEL_DIGEST, digest) + (text(_MODEL, model) if model else b"")
    return b"".join([head, *batch, tail])
