"""What a model version takes and makes, in the protocol's terms."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence

import numpy as np

from synthmill.oip.v1 import inference_service_pb2, model_config_pb2
from synthmill.sampling.oip.names import from_resource
from synthmill.sampling.signature import INDEX, LABEL, SEED
from synthmill.v1 import model_pb2, tensor_pb2

PLATFORM = "onnxruntime_onnx"
BACKEND = "onnxruntime"

# A column does not say how long its strings are; the engine counts them so too.
_ASSUMED_STRING_BYTES = 64


@dataclasses.dataclass(frozen=True)
class Datatype:
    """An element type.

    Attributes:
        name: as requests and metadata spell it.
        dtype: little-endian; None for strings.
    """

    name: str
    dtype: np.dtype | None

    @property
    def size_bytes(self) -> int:
        """Size of an element."""
        return self.dtype.itemsize if self.dtype else _ASSUMED_STRING_BYTES


# By number of `tensor_pb2.DataType`, which is also that of the protocol's own enum in a configuration.
DATATYPES = {
    tensor_pb2.DATA_TYPE_BOOL: Datatype("BOOL", np.dtype("?")),
    tensor_pb2.DATA_TYPE_UINT8: Datatype("UINT8", np.dtype("u1")),
    tensor_pb2.DATA_TYPE_UINT16: Datatype("UINT16", np.dtype("<u2")),
    tensor_pb2.DATA_TYPE_UINT32: Datatype("UINT32", np.dtype("<u4")),
    tensor_pb2.DATA_TYPE_UINT64: Datatype("UINT64", np.dtype("<u8")),
    tensor_pb2.DATA_TYPE_INT8: Datatype("INT8", np.dtype("i1")),
    tensor_pb2.DATA_TYPE_INT16: Datatype("INT16", np.dtype("<i2")),
    tensor_pb2.DATA_TYPE_INT32: Datatype("INT32", np.dtype("<i4")),
    tensor_pb2.DATA_TYPE_INT64: Datatype("INT64", np.dtype("<i8")),
    tensor_pb2.DATA_TYPE_FLOAT16: Datatype("FP16", np.dtype("<f2")),
    tensor_pb2.DATA_TYPE_FLOAT32: Datatype("FP32", np.dtype("<f4")),
    tensor_pb2.DATA_TYPE_FLOAT64: Datatype("FP64", np.dtype("<f8")),
    tensor_pb2.DATA_TYPE_STRING: Datatype("BYTES", None),
}


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """An input or output.

    Attributes:
        name: its name.
        number: of its data type.
        shape: extent of each axis; -1 is the number of samples.
    """

    name: str
    number: int
    shape: tuple[int, ...]

    @property
    def datatype(self) -> Datatype:
        """Element type."""
        return DATATYPES[self.number]

    @property
    def row_bytes(self) -> int:
        """Size of one sample's part of it."""
        return math.prod(self.shape[1:]) * self.datatype.size_bytes

    def to_metadata(self) -> inference_service_pb2.ModelMetadataResponse.TensorMetadata:
        """Makes its message in the metadata."""
        return inference_service_pb2.ModelMetadataResponse.TensorMetadata(
            name=self.name, datatype=self.datatype.name, shape=self.shape
        )


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A model version.

    Attributes:
        name: "models/{model}/versions/{n}".
        model_id: its id.
        version: its number.
        digest: of its sampler graph.
        labels: class names; empty if it has none.
        inputs: what a request may give.
        outputs: what a response may have.
    """

    name: str
    model_id: str
    version: str
    digest: str
    labels: tuple[str, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def row_bytes(self) -> int:
        """Size of one sample with its label."""
        return sum(output.row_bytes for output in self.outputs)


def to_spec(model: model_pb2.Model) -> ModelSpec:
    """Returns what a model version takes and makes."""
    model_id, version = from_resource(model.name)
    label = TensorSpec(LABEL, tensor_pb2.DATA_TYPE_INT64, (-1,))
    inputs = [
        TensorSpec(SEED, tensor_pb2.DATA_TYPE_UINT64, (1,)),
        TensorSpec(INDEX, tensor_pb2.DATA_TYPE_INT64, (-1,)),
    ]
    outputs = [TensorSpec(column.name, column.data_type, tuple(column.shape)) for column in model.columns]
    if model.labels:
        inputs.append(label)
        outputs.append(label)
    return ModelSpec(
        name=model.name,
        model_id=model_id,
        version=version,
        digest=model.digest,
        labels=tuple(model.labels),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )


def to_metadata(spec: ModelSpec, versions: Sequence[str]) -> inference_service_pb2.ModelMetadataResponse:
    """Makes the metadata of a model version, beside the version numbers that there are."""
    return inference_service_pb2.ModelMetadataResponse(
        name=spec.model_id,
        versions=versions,
        platform=PLATFORM,
        inputs=[tensor.to_metadata() for tensor in spec.inputs],
        outputs=[tensor.to_metadata() for tensor in spec.outputs],
    )


def to_config(model: model_pb2.Model) -> model_config_pb2.ModelConfig:
    """Makes the configuration of a model version."""
    spec = to_spec(model)
    parameters = {
        "version": spec.version,
        "digest": spec.digest,
        "kind": model.kind,
        "family": model.family,
        "labels": json.dumps(spec.labels),
    }
    return model_config_pb2.ModelConfig(
        name=spec.model_id,
        platform=PLATFORM,
        backend=BACKEND,
        default_model_filename="sampler.onnx",
        input=[
            model_config_pb2.ModelInput(name=tensor.name, data_type=tensor.number, dims=tensor.shape, optional=True)
            for tensor in spec.inputs
        ],
        output=[
            model_config_pb2.ModelOutput(name=tensor.name, data_type=tensor.number, dims=tensor.shape)
            for tensor in spec.outputs
        ],
        parameters={name: model_config_pb2.ModelParameter(string_value=value) for name, value in parameters.items()},
    )
