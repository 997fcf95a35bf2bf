"""What a sampler graph takes and makes, as ONNX Runtime sees it."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime

from synthmill.runtime.errors import BadGraph
from synthmill.runtime.filters import Filter
from synthmill.sampling.opinions import OPINIONS_KEY

SEED, INDEX, LABEL, TRUNCATION = "seed", "index", "label", "truncation"
LABELS_KEY = "synthmill.labels"
SMALLEST_BATCH_KEY = "synthmill.smallest_batch"
FILTER_KEY = "synthmill.filter"

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
class Column:
    """What a graph makes of one sample.

    Attributes:
        name: name of the column.
        dtype: its dtype; object for strings.
        shape: extents after the first axis.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def sample_bytes(self) -> int:
        """Size of one sample's part."""
        return math.prod(self.shape) * (_ASSUMED_STRING_BYTES if self.dtype == np.object_ else self.dtype.itemsize)


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a sampler graph takes and makes.

    Attributes:
        columns: what it makes.
        classes: number of classes; zero if it takes no label.
        truncatable: whether it takes a scale of the latent vector.
        smallest_batch: batch size below which its operators may round in another way.
        opinions: names of the opinions that the graph has, be they among the columns or left out.
        filter: the graph's own filter.
    """

    columns: tuple[Column, ...]
    classes: int
    truncatable: bool
    smallest_batch: int
    opinions: tuple[str, ...] = ()
    filter: Filter = dataclasses.field(default_factory=Filter)

    @functools.cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @functools.cached_property
    def made_opinions(self) -> tuple[str, ...]:
        """Names of the opinions that are among the columns."""
        return tuple(name for name in self.opinions if name in self.outputs)

    @functools.cached_property
    def sample_bytes(self) -> int:
        """Size of one sample; a string counts as 64 bytes."""
        return sum(column.sample_bytes for column in self.columns)

    @functools.cached_property
    def has_strings(self) -> bool:
        """Whether a column holds strings, which have no fixed place in memory."""
        return any(column.dtype == np.object_ for column in self.columns)


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
    properties = session.get_modelmeta().custom_metadata_map
    if _read(properties, LABELS_KEY) != list(labels):
        told = _read(properties, LABELS_KEY)
        raise BadGraph(
            f"the graph's labels are not those of the model: {told}", field=LABELS_KEY, value=told, allowed=list(labels)
        )
    smallest = _read(properties, SMALLEST_BATCH_KEY)
    if type(smallest) is not int or smallest < 1:
        raise BadGraph(f"{SMALLEST_BATCH_KEY} is {smallest!r}, allowed: at least 1", field=SMALLEST_BATCH_KEY)
    return Signature(
        columns=tuple(map(_to_column, session.get_outputs())),
        classes=len(labels),
        truncatable=any(value.name == TRUNCATION for value in session.get_overridable_initializers()),
        smallest_batch=smallest,
        opinions=tuple(_read(properties, OPINIONS_KEY)) if OPINIONS_KEY in properties else (),
        filter=_read_filter(properties),
    )


def _read_filter(properties: Mapping[str, str]) -> Filter:
    bounds = _read(properties, FILTER_KEY) if FILTER_KEY in properties else {}
    try:
        return Filter(**bounds)
    except TypeError:
        raise BadGraph(f"{FILTER_KEY} is {bounds!r}, allowed: bounds by name", field=FILTER_KEY) from None


def _read(properties: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(properties.get(key, ""))
    except ValueError:
        raise BadGraph(f"the graph's metadata lack {key}", field=key) from None


def _to_column(output: onnxruntime.NodeArg) -> Column:
    _batch, *extents = output.shape or [None]
    dtype = _DTYPES.get(output.type)
    if dtype is None or not output.shape or not all(isinstance(extent, int) and extent > 0 for extent in extents):
        found = f"{output.type} {output.shape}"
        raise BadGraph(f"the output {output.name!r} is {found}; expected [N, ...] of fixed extents")
    return Column(output.name, np.dtype(dtype), tuple(extents))


def _describe(inputs: Mapping[str, tuple[str, int]]) -> str:
    return ", ".join(f"{name}: {kind} of {rank} axes" for name, (kind, rank) in sorted(inputs.items())) or "none"
