"""Samples to responses."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from synthmill.oip.v1 import inference_service_pb2 as pb
from synthmill.oip.v1.tensor_pb2 import InferParameter
from synthmill.sampling.oip.requests import Asked, Output
from synthmill.sampling.oip.shared_memory import Buffer
from synthmill.sampling.oip.statistics import Effort
from synthmill.sampling.oip.wire import encode, to_buffers
from synthmill.sampling.sampler import Chunk

FINAL_RESPONSE = "triton_final_response"


@dataclasses.dataclass(frozen=True)
class Packed:
    """Samples as they travel.

    Attributes:
        message: a serialised response.
        effort: what making it took.
    """

    message: bytes
    effort: Effort


@dataclasses.dataclass(frozen=True)
class Part:
    """Some of the samples of a response.

    Attributes:
        contents: of every output; empty for one that was written to shared memory.
        placed_bytes: how much of every output was written to shared memory.
        effort: what making it took.
    """

    contents: Sequence[bytes]
    placed_bytes: Sequence[int]
    effort: Effort


@dataclasses.dataclass(frozen=True)
class Packer:
    """Makes responses to a request.

    Attributes:
        asked: the request.
        streamed: whether they are those of a stream.
    """

    asked: Asked
    streamed: bool

    def whole(self, chunk: Chunk, *, last: bool) -> Packed:
        """Makes a response of samples; runs in a worker.

        Args:
            chunk: the samples.
            last: whether no more samples follow.
        """
        began_ns = time.perf_counter_ns()
        contents, placed = self._contents(chunk, 0)
        head = self._head(chunk.count, chunk.first_index, placed, last)
        message = encode(head, contents, streamed=self.streamed)
        return Packed(message, _effort(chunk, began_ns))

    def part(self, chunk: Chunk, before: int) -> Part:
        """Makes part of a response of samples; runs in a worker.

        Args:
            chunk: the samples.
            before: samples of the response that come before these.
        """
        began_ns = time.perf_counter_ns()
        contents, placed = self._contents(chunk, before)
        return Part(list(map(b"".join, contents)), placed, _effort(chunk, began_ns))

    def join(self, parts: Sequence[Part]) -> bytes:
        """Makes a response of all its parts."""
        contents = list(zip(*(part.contents for part in parts), strict=True))
        placed = [sum(sizes) for sizes in zip(*(part.placed_bytes for part in parts), strict=True)]
        head = self._head(sum(part.effort.samples for part in parts), self.asked.query.first, placed, last=True)
        return encode(head, contents, streamed=self.streamed)

    def empty_final(self) -> bytes:
        """Makes the response without samples that ends the answer to a request."""
        head = pb.ModelInferResponse(
            model_name=self.asked.spec.model_id, model_version=self.asked.spec.version, id=self.asked.request_id
        )
        head.parameters[FINAL_RESPONSE].bool_param = True
        return encode(head, [], streamed=self.streamed)

    def _contents(self, chunk: Chunk, before: int) -> tuple[list[list[Buffer]], list[int]]:
        contents: list[list[Buffer]] = []
        placed: list[int] = []
        for output in self.asked.outputs:
            buffers = to_buffers(output.spec, chunk.pieces[output.spec.name])
            if output.placement is None:
                contents.append(buffers)
                placed.append(0)
            else:
                output.placement.write(before * output.spec.row_bytes, buffers)
                contents.append([])
                placed.append(sum(map(len, buffers)))
        return contents, placed

    def _head(self, samples: int, first_index: int, placed: Sequence[int], last: bool) -> pb.ModelInferResponse:
        asked = self.asked
        head = pb.ModelInferResponse(
            model_name=asked.spec.model_id,
            model_version=asked.spec.version,
            id=asked.request_id,
            outputs=[_tensor(*each, samples) for each in zip(asked.outputs, placed, strict=True)],
        )
        head.parameters["first_index"].int64_param = first_index
        head.parameters["model_digest"].string_param = asked.spec.digest
        if self.streamed:
            head.parameters[FINAL_RESPONSE].bool_param = last and not asked.empty_final
        return head


def to_error(request: pb.ModelInferRequest, message: str) -> bytes:
    """Makes the response of a stream that tells what went wrong with a request."""
    head = pb.ModelInferResponse(id=request.id, model_name=request.model_name, model_version=request.model_version)
    head.parameters[FINAL_RESPONSE].bool_param = True
    return pb.ModelStreamInferResponse(error_message=message, infer_response=head).SerializeToString()


def _effort(chunk: Chunk, began_ns: int) -> Effort:
    return Effort(chunk.count, chunk.spent(), time.perf_counter_ns() - began_ns)


def _tensor(output: Output, placed: int, samples: int) -> pb.ModelInferResponse.InferOutputTensor:
    tensor = pb.ModelInferResponse.InferOutputTensor(
        name=output.spec.name, datatype=output.spec.datatype.name, shape=(samples, *output.spec.shape[1:])
    )
    if output.placement:
        tensor.parameters["shared_memory_region"].CopyFrom(InferParameter(string_param=output.placement.name))
        tensor.parameters["shared_memory_byte_size"].CopyFrom(InferParameter(int64_param=placed))
        if output.placement.offset:
            tensor.parameters["shared_memory_offset"].CopyFrom(InferParameter(int64_param=output.placement.offset))
    return tensor
