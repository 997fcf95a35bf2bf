"""Record messages to examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthmill.kinds.augmentation import Augmentation
from synthmill.kinds.base import Kind
from synthmill.runtime.errors import InvalidField
from synthmill.runtime.squares import INDEX_LIMIT
from synthmill.runtime.tensors import from_tensor
from synthmill.runtime.views import TensorView
from synthmill.v1.tensor_pb2 import Tensor

ENCODED = "encoded"


def to_example(kind: Kind, augmentation: Augmentation, tensors: Sequence[Tensor | TensorView]) -> Any:
    """Returns the example that a record's tensors are; its arrays are read-only views of them, if not decoded.

    Raises:
        InvalidField: an array is unknown, missing, twice there or malformed.
    """
    arrays = {tensor.name: from_tensor(tensor) for tensor in tensors}
    if len(arrays) != len(tensors):
        raise InvalidField("arrays", [tensor.name for tensor in tensors], "distinct names")
    if ENCODED in arrays:
        arrays = _decoded(kind, arrays)
    return augmentation.to_example(arrays)


def _decoded(kind: Kind, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    encoded = arrays.pop(ENCODED)
    if encoded.dtype != np.uint8 or encoded.ndim != 1:
        raise InvalidField(ENCODED, f"{encoded.dtype} {list(encoded.shape)}", "uint8 (bytes)")
    columns = kind.read_file(encoded.tobytes())
    for name in columns:
        if name in arrays:
            raise InvalidField(ENCODED, f"a file, and {name}", "one of them")
    return {**columns, **arrays}


def require_index(index: int) -> None:
    """Requires that an index is one that records can have.

    Raises:
        InvalidField: it is not.
    """
    if not 0 <= index < INDEX_LIMIT:
        raise InvalidField("index", index, "0 to 2^48 - 1")
