"""Calls of the protocol as any client makes them: under its own service name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
import numpy as np
from google.protobuf.message_factory import GetMessageClass

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.oip.v1.tensor_pb2 import InferParameter
from synthmill.runtime.status import from_rpc_error
from synthmill.sampling.oip.specs import DATATYPES

TIMEOUT_S = 30.0

_METHODS = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
_DTYPES = {datatype.name: datatype.dtype for datatype in DATATYPES.values()}
_KINDS = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}


class Calls:
    """The service's methods on a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel

    async def unary(self, method: str, **fields: Any) -> Any:
        """Calls a method with a request of these fields; its error is one of our tree."""
        request = GetMessageClass(_METHODS[method].input_type)(**fields)
        return await self.send(method, request)

    async def send(self, method: str, request: Any) -> Any:
        """Calls a method with a request."""
        try:
            return await self._method(self._channel.unary_unary, method)(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def stream(
        self, requests: Iterable[pb.ModelInferRequest], metadata: Iterable[tuple[str, str]] = ()
    ) -> list[pb.ModelStreamInferResponse]:
        """Sends requests on one stream and returns all responses."""
        call = self.open(iter(requests), metadata)
        try:
            return [response async for response in call]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    def open(self, requests: Any, metadata: Iterable[tuple[str, str]] = ()) -> grpc.aio.StreamStreamCall:
        """Opens a stream of requests."""
        method = self._method(self._channel.stream_stream, "ModelStreamInfer")
        return method(requests, metadata=tuple(metadata), timeout=TIMEOUT_S)

    def _method(self, make: Any, name: str) -> Any:
        return make(
            f"/inference.GRPCInferenceService/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(_METHODS[name].output_type).FromString,
        )


def infer_request(
    model: str = "shapes",
    version: str = "",
    *,
    inputs: Mapping[str, np.ndarray] | None = None,
    outputs: Iterable[str] = (),
    request_id: str = "",
    **parameters: Any,
) -> pb.ModelInferRequest:
    """Makes a request; inputs travel as raw contents."""
    request = pb.ModelInferRequest(model_name=model, model_version=version, id=request_id)
    for name, array in (inputs or {}).items():
        datatype = {np.dtype("u8"): "UINT64", np.dtype("i8"): "INT64", np.dtype("i4"): "INT32"}[array.dtype]
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    for name in outputs:
        request.outputs.add(name=name)
    set_parameters(request.parameters, parameters)
    return request


def set_parameters(target: Any, parameters: Mapping[str, Any]) -> None:
    """Writes parameters of a request or tensor; an `InferParameter` as it is, other values by their type."""
    for name, value in parameters.items():
        given = value if isinstance(value, InferParameter) else InferParameter(**{_KINDS[type(value)]: value})
        target[name].CopyFrom(given)


def arrays(response: pb.ModelInferResponse) -> dict[str, np.ndarray]:
    """Returns the outputs of a response that travelled in it."""
    assert len(response.raw_output_contents) == len(response.outputs)
    found = {}
    for output, raw in zip(response.outputs, response.raw_output_contents, strict=True):
        dtype = _DTYPES[output.datatype]
        values = strings(raw) if dtype is None else np.frombuffer(raw, dtype)
        found[output.name] = np.array(values).reshape(tuple(output.shape))
    return found


def strings(raw: bytes) -> list[str]:
    """Returns strings that were preceded by their lengths."""
    found, place = [], 0
    while place < len(raw):
        end = place + 4 + int.from_bytes(raw[place : place + 4], "little")
        found.append(raw[place + 4 : end].decode())
        place = end
    return found
