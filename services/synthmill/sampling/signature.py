"""What a sampler graph takes and makes, as ONNX Runtime sees it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime

from synthmill.runtime.errors import BadGraph

SEED, INDEX, LABEL, TRUNCATION = "seed", "index", "label", "truncation"
LABELS_KEY = "synthmill.labels"

_INPUTS = {SEED: ("tensor(uint64)", 1), INDEX: ("tensor(int64)", 1), LABEL: ("tensor(int64)", 1)}
_DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(string)": np.object_,
}
# A graph does not say how long its strings are.
_ASSUMED_STRING_BYTES = 64


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a sampler graph takes and makes.

    Attributes:
        outputs: names of the columns it makes.
        classes: number of classes; zero if it takes no label.
        truncatable: whether it takes a scale of the latent vector.
        sample_bytes: size of one sample; a string counts as 64 bytes.
    """

    outputs: tuple[str, ...]
    classes: int
    truncatable: bool
    sample_bytes: int


def read_signature(session: onnxruntime.InferenceSession, labels: Sequence[str]) -> Signature:
    """Makes sure that a session is that of a sampler graph for these classes.

    Raises:
        BadGraph: it is not; the message names what does not fit.
    """
    inputs = {value.name: value for value in session.get_inputs()}
    wanted = {name: _INPUTS[name] for name in (SEED, INDEX, *([LABEL] if labels else []))}
    found = {name: (value.type, len(value.shape)) for name, value in inputs.items()}
    if found != wanted:
        raise BadGraph(f"the inputs are {_describe(found)}; expected {_describe(wanted)}")
    _check_labels(session.get_modelmeta().custom_metadata_map, labels)
    return Signature(
        outputs=tuple(output.name for output in session.get_outputs()),
        classes=len(labels),
        truncatable=any(value.name == TRUNCATION for value in session.get_overridable_initializers()),
        sample_bytes=sum(map(_sample_bytes, session.get_outputs())),
    )


def _check_labels(properties: Mapping[str, str], labels: Sequence[str]) -> None:
    try:
        told = json.loads(properties.get(LABELS_KEY, ""))
    except ValueError:
        raise BadGraph(f"the graph's metadata lack {LABELS_KEY}", field=LABELS_KEY) from None
    if told != list(labels):
        raise BadGraph(
            f"the graph's labels are not those of the model: {told}", field=LABELS_KEY, value=told, allowed=list(labels)
        )


def _sample_bytes(output: onnxruntime.NodeArg) -> int:
    """Returns the size of one sample's part in a column."""
    _batch, *extents = output.shape or [None]
    dtype = _DTYPES.get(output.type)
    if dtype is None or not output.shape or not all(isinstance(extent, int) and extent > 0 for extent in extents):
        found = f"{output.type} {output.shape}"
        raise BadGraph(f"the output {output.name!r} is {found}; expected [N, ...] of fixed extents")
    return math.prod(extents) * (_ASSUMED_STRING_BYTES if dtype is np.object_ else np.dtype(dtype).itemsize)


def _describe(inputs: Mapping[str, tuple[str, int]]) -> str:
    return ", ".join(f"{name}: {kind} of {rank} axes" for name, (kind, rank) in sorted(inputs.items())) or "none"
