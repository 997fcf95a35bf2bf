"""Every method that a service answers, as its descriptors tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from google.protobuf import descriptor, message_factory
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from synthmill.oip.v1 import inference_service_pb2
from synthmill.v1 import (
    augmentation_service_pb2,
    catalog_service_pb2,
    evaluation_service_pb2,
    job_service_pb2,
    pipeline_service_pb2,
    sampling_service_pb2,
    status_service_pb2,
    training_service_pb2,
)

SERVICES = ("catalog", "augmentation", "training", "sampling", "evaluation", "pipeline")

_OWN = {
    "catalog": [catalog_service_pb2, job_service_pb2],
    "augmentation": [augmentation_service_pb2, job_service_pb2],
    "training": [training_service_pb2, job_service_pb2],
    "sampling": [sampling_service_pb2, inference_service_pb2],
    "evaluation": [evaluation_service_pb2, job_service_pb2],
    "pipeline": [pipeline_service_pb2, job_service_pb2],
}
_SHARED = [status_service_pb2, health_pb2, reflection_pb2]
# Stock clients know this one by another name than our protos give it.
_SERVED_AS = {"synthmill.oip.v1.GRPCInferenceService": "inference.GRPCInferenceService"}


@dataclasses.dataclass(frozen=True)
class Method:
    """A method of a running service.

    Attributes:
        service: the process that answers.
        path: "/package.Service/Method".
        request: class of its requests.
        response: class of its answers.
        streams_in: whether it takes a stream.
        streams_out: whether it answers with one.
    """

    service: str
    path: str
    request: type[Message]
    response: type[Message]
    streams_in: bool
    streams_out: bool

    @property
    def name(self) -> str:
        """The method's own name."""
        return self.path.rpartition("/")[2]

    @property
    def is_ours(self) -> bool:
        """Whether our code answers, rather than gRPC's."""
        return not self.path.startswith("/grpc.")


def all_methods() -> list[Method]:
    """Returns the methods of all services."""
    return [
        method
        for service in SERVICES
        for module in (*_OWN[service], *_SHARED)
        for described in module.DESCRIPTOR.services_by_name.values()
        for method in _methods(service, described)
    ]


def _methods(service: str, described: descriptor.ServiceDescriptor) -> Iterator[Method]:
    name = _SERVED_AS.get(described.full_name, described.full_name)
    for method in described.methods:
        classes = [message_factory.GetMessageClass(each) for each in (method.input_type, method.output_type)]
        yield Method(service, f"/{name}/{method.name}", *classes, method.client_streaming, method.server_streaming)
