"""Turns the body of a sampler graph into 8-bit integers, with ranges seen on the sampler's own noise.

The format is QDQ: pairs of QuantizeLinear and DequantizeLinear around each operator, all of them standard. ONNX Runtime
replaces them by integer kernels when it loads the graph; another runtime may compute with floats and gets the same to
within rounding. Noise, finish and all that comes before the first quantised layer stay float32.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from synthmill.learning.compress.feeds import Feeds, make_feeds, open_session
from synthmill.learning.compress.parts import Parts, split
from synthmill.learning.graph.compose import TRUNCATION
from synthmill.learning.graph.metadata import read_metadata
from synthmill.runtime.errors import FailedPrecondition

_BATCH = 64
_WATCHED = 256
_CONVOLUTIONS = frozenset(["Conv"])
# Beside convolutions these are little work and many weights: their results stay floats, which costs less quality.
_DENSE_LAYERS = frozenset(["Gemm", "MatMul"])
# Move numbers and do not change them: these keep the scale of what they move.
_MOVES = frozenset(["Resize", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice"])
# ONNX Runtime has integer kernels for these, so that what lies between two integer layers is never a float.
_BETWEEN = frozenset(["Add", "Mul", "Relu", "Clip", "LeakyRelu", "Concat", "DepthToSpace", *_MOVES])
# Beyond these inputs the function is nearer to its bound than half a level of 255: steps are better spent within. The
# bounds themselves must be reached, as much of a picture is black or white.
_SATURATES = {"Tanh": 3.5, "Sigmoid": 7.0}


def quantise(data: bytes, *, seed: int, samples: int, reduce_range: bool) -> bytes:
    """Returns a sampler graph with an 8-bit body; metadata, inputs and outputs are the same.

    Args:
        data: a sampler graph in float32.
        seed: of the noise that the ranges are seen on.
        samples: number of samples that the ranges are seen on.
        reduce_range: use 7 bits of the weights: on x86 without VNNI, 8-bit products saturate.

    Raises:
        FailedPrecondition: the graph has no layer that integers would make faster.
    """
    model = onnx.load_from_string(data)
    parts = split(model.graph)
    chosen = _choose(parts)
    plain = _without_truncation(model)
    label_count = len(read_metadata(model).labels)
    ranges = _saturating_ranges(plain, parts, chosen, make_feeds(label_count, seed, 0, min(samples, _WATCHED)))
    with tempfile.TemporaryDirectory() as folder, _quiet():
        target = Path(folder) / "quantised.onnx"
        quantize_static(
            plain,
            target,
            _Reader(label_count, seed, samples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=sorted({node.op_type for node in chosen}),
            nodes_to_quantize=[node.name for node in chosen],
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "ForceQuantizeNoInputCheck": True,
                "OpTypesToExcludeOutputQuantization": sorted(_exact_layers(parts)),
                "TensorQuantOverrides": ranges,
            },
        )
        quantised = onnx.load(target)
    return _restore(quantised, model).SerializeToString(deterministic=True)


class _Reader(CalibrationDataReader):
    """Feeds a sampler graph with the indices from 0 on, as a client would."""

    def __init__(self, label_count: int, seed: int, samples: int) -> None:
        self._label_count, self._seed, self._samples = label_count, seed, samples
        self._start = 0

    def get_next(self) -> Feeds | None:
        """Returns the inputs of the next batch, None after the last."""
        start = self._start
        if start >= self._samples:
            return None
        self._start += _BATCH
        return make_feeds(self._label_count, self._seed, start, min(_BATCH, self._samples - start))


def _choose(parts: Parts) -> list[onnx.NodeProto]:
    """Returns the nodes to quantise: layers, what lies between them, and moves of the numbers that enter them.

    Raises:
        FailedPrecondition: there is no layer to begin with.
    """
    if not any(node.op_type in _CONVOLUTIONS | _DENSE_LAYERS for node in parts.body):
        raise FailedPrecondition(
            "the generator has no layer that integers make faster: neither convolutions nor matrix products"
        )
    exact = _exact_layers(parts)
    producers = {output: node for node in parts.body for output in node.output}
    chosen: set[str] = set()
    quantised: set[str] = set()
    for node in parts.body:
        if node.op_type in _CONVOLUTIONS | _DENSE_LAYERS:
            chosen.add(node.name)
            quantised.update(node.output if node.op_type not in exact else [])
            mover = producers.get(node.input[0])
            while mover is not None and mover.op_type in _MOVES:
                chosen.add(mover.name)
                mover = producers.get(mover.input[0])
        elif node.op_type in _BETWEEN and quantised.intersection(node.input):
            chosen.add(node.name)
            quantised.update(node.output)
    return [node for node in parts.body if node.name in chosen]


def _exact_layers(parts: Parts) -> frozenset[str]:
    """Returns the operators whose results are not quantised."""
    return _DENSE_LAYERS if any(node.op_type in _CONVOLUTIONS for node in parts.body) else frozenset()


def _saturating_ranges(
    model: onnx.ModelProto, parts: Parts, chosen: Sequence[onnx.NodeProto], feeds: Feeds
) -> dict[str, list[dict[str, np.float32]]]:
    """Returns narrower ranges, by value, for what is quantised and then goes into a function that saturates."""
    quantised = {output for node in chosen for output in node.output}
    bounds = {
        node.input[0]: _SATURATES[node.op_type]
        for node in [*parts.body, *parts.finish]
        if node.op_type in _SATURATES and node.input[0] in quantised
    }
    if not bounds:
        return {}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in bounds)
    session = open_session(watched.SerializeToString(), threads=1)
    found = dict(zip(bounds, session.run(list(bounds), feeds), strict=True))
    return {name: [_clipped(found[name], bound)] for name, bound in bounds.items()}


def _clipped(values: np.ndarray, bound: float) -> dict[str, np.float32]:
    low, high = np.float32(-bound), np.float32(bound)
    return {"rmin": np.maximum(values.min(), low), "rmax": np.minimum(values.max(), high)}


def _without_truncation(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a copy in which the default of the truncation is a constant, as calibration knows no optional inputs."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    inputs = [value for value in model.graph.input if value.name != TRUNCATION]
    del plain.graph.input[:]
    plain.graph.input.extend(inputs)
    add_pre_process_metadata(plain)
    return plain


def _restore(quantised: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """Gives a quantised graph the inputs and the words of the original."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.graph.CopyFrom(quantised.graph)
    del result.graph.input[:]
    result.graph.input.extend(model.graph.input)
    del result.graph.value_info[:]
    result.graph.name = model.graph.name
    return result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back advice that the quantiser gives through the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
