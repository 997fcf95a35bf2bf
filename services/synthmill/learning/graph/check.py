"""Checks that bytes are a sampler graph, and says what it makes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import onnx
from onnx import TensorProto, helper

from synthmill.learning.graph import noise
from synthmill.learning.graph.compose import (
    INDEX,
    INPUT_NAMES,
    LABEL,
    MAX_IR_VERSION,
    MAX_OPSET,
    MIN_OPSET,
    SEED,
    TRUNCATION,
)
from synthmill.learning.graph.metadata import GraphMetadata
from synthmill.learning.graph.untrusted import extents, parse_untrusted
from synthmill.runtime.errors import BadGraph, FailedPrecondition
from synthmill.runtime.filters import ATTEMPT, OPINIONS, PASSED

# What one message of a stream can carry.
MAX_SAMPLE_BYTES = 3 << 20

FILTERED_FROM = "filtered_from"
"""Name in the lineage of the version that a filtered one has its samples from."""

_INPUT_TYPES = {
    SEED: TensorProto.UINT64,
    INDEX: TensorProto.INT64,
    LABEL: TensorProto.INT64,
    TRUNCATION: TensorProto.FLOAT,
}
_OUTPUT_TYPES = frozenset("?BHILQbhilqefdO")

Columns = dict[str, tuple[np.dtype, tuple[int, ...]]]
"""Dtype and shape of one sample's part, by column name."""


@dataclasses.dataclass(frozen=True)
class GraphInfo:
    """What a sampler graph takes and makes.

    Attributes:
        metadata: what it says about itself.
        columns: dtype and shape of each output for one sample, but for opinions.
        conditional: whether it takes a label.
        truncatable: whether it takes a scale of the latent vector.
        latent_size: dimensions of the latent vector.
    """

    metadata: GraphMetadata
    columns: Columns
    conditional: bool
    truncatable: bool
    latent_size: int


def check_graph(data: bytes) -> GraphInfo:
    """Makes sure that bytes are a sampler graph which is safe to load and to serve.

    Raises:
        BadGraph: they are not; the message names what is wrong.
    """
    model = parse_untrusted(data)
    _check_versions(model)
    metadata = GraphMetadata.from_properties({entry.key: entry.value for entry in model.metadata_props})
    inputs = _check_inputs(model.graph)
    conditional = LABEL in inputs
    if conditional != bool(metadata.labels):
        raise BadGraph(f"the label input and the {len(metadata.labels)} labels of the metadata do not fit together")
    if len(set(metadata.labels)) != len(metadata.labels):
        raise BadGraph("the labels of the metadata are not distinct")
    if metadata.noise != noise.SCHEME:
        raise BadGraph(f"the noise scheme is {metadata.noise!r}, allowed: {noise.SCHEME!r}", value=metadata.noise)
    columns = _columns(model.graph)
    _take_opinions(columns, metadata)
    return GraphInfo(
        metadata=metadata,
        columns=columns,
        conditional=conditional,
        truncatable=TRUNCATION in inputs,
        latent_size=metadata.latent_size,
    )


def require_no_opinions(info: GraphInfo, version: str) -> None:
    """Makes sure that a sampler graph holds nothing of its samples yet, so that another one can be made of it.

    Args:
        info: of the graph.
        version: "models/{model}/versions/{n}" that it belongs to.

    Raises:
        FailedPrecondition: it does.
    """
    if info.metadata.opinions:
        allowed = info.metadata.lineage.get(FILTERED_FROM, "a version without opinions")
        raise FailedPrecondition(
            f"{version} has opinions of its samples, name the one that it filters: {allowed}",
            field="model",
            value=version,
            allowed=allowed,
        )


def _check_versions(model: onnx.ModelProto) -> None:
    opset = max(entry.version for entry in model.opset_import)
    if not MIN_OPSET <= opset <= MAX_OPSET:
        raise BadGraph(f"opset {opset} is not supported, allowed: {MIN_OPSET} to {MAX_OPSET}", value=opset)
    if model.ir_version > MAX_IR_VERSION:
        raise BadGraph(f"IR version {model.ir_version} is not supported, allowed: up to {MAX_IR_VERSION}")


def _check_inputs(graph: onnx.GraphProto) -> set[str]:
    names = {value.name for value in graph.input}
    if not {SEED, INDEX} <= names <= set(INPUT_NAMES):
        found = ", ".join(sorted(names)) or "none"
        raise BadGraph(f"the inputs are {found}; allowed: {SEED}, {INDEX}, and optionally {LABEL}, {TRUNCATION}")
    if TRUNCATION in names and TRUNCATION not in {tensor.name for tensor in graph.initializer}:
        raise BadGraph(f"the input {TRUNCATION} must have a default")
    for value in graph.input:
        tensor = value.type.tensor_type
        data_type = _INPUT_TYPES[value.name]
        if tensor.elem_type != data_type or extents(tensor) != [None]:
            wanted = TensorProto.DataType.Name(data_type).lower()
            raise BadGraph(f"the input {value.name} must be {wanted} of one free axis")
    return names


def _columns(graph: onnx.GraphProto) -> Columns:
    columns: Columns = {}
    for value in graph.output:
        batch, *rest = extents(value.type.tensor_type) or [0]
        if batch is not None or any(not extent for extent in rest):
            raise BadGraph(f"the output {value.name!r} must be [N, ...] with fixed extents after the free N")
        if value.name in INPUT_NAMES:
            raise BadGraph(f"an output must not have the name of an input: {value.name}")
        columns[value.name] = _dtype(value), tuple(int(extent or 0) for extent in rest)
    size_bytes = sum(dtype.itemsize * math.prod(shape) for dtype, shape in columns.values())
    if size_bytes > MAX_SAMPLE_BYTES:
        raise BadGraph(f"a sample takes {size_bytes} bytes, allowed: up to {MAX_SAMPLE_BYTES}", value=size_bytes)
    return columns


def _take_opinions(columns: Columns, metadata: GraphMetadata) -> None:
    """Takes the opinions out of the outputs, and checks the filter that goes by them."""
    told = list(metadata.opinions)
    for name in told:
        if name not in OPINIONS or told.count(name) > 1:
            raise BadGraph(f"the metadata name the opinions {told}, allowed: each once of {', '.join(OPINIONS)}")
        if columns.pop(name, None) != (np.dtype(np.float32), ()):
            raise BadGraph(f"the opinion {name} must be an output float of [N]")
    if told and (not columns or {*OPINIONS, ATTEMPT, PASSED} & set(columns)):
        raise BadGraph(f"the columns beside the opinions are {', '.join(columns) or 'none'}; no filter can go by them")
    bounds = {f"min_{name}" for name in told}
    for name, bound in metadata.filter.items():
        if name not in bounds or not math.isfinite(bound):
            raise BadGraph(f"the filter has {name} = {bound}, allowed: finite {' and '.join(sorted(bounds)) or 'none'}")


def _dtype(value: onnx.ValueInfoProto) -> np.dtype:
    dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if dtype.char not in _OUTPUT_TYPES:
        raise BadGraph(f"the output {value.name!r} has the type {dtype}, which cannot travel")
    return dtype
