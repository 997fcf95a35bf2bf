"""Between messages and the augmentation service's own values."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from synthmill.augmentation.request import Asked
from synthmill.v1 import augmentation_service_pb2 as pb


def to_asked(request: pb.CreateAugmentationJobRequest) -> Asked:
    """Returns what a request asks for beside its policy."""
    return Asked(
        name=request.name,
        copies=request.copies,
        records_per_class=request.records_per_class,
        balance=request.balance,
        without_originals=request.without_originals,
        seed=request.seed,
    )


def to_identity(request: pb.CreateAugmentationJobRequest) -> dict[str, Any]:
    """Returns what makes two requests the same: the request as it was sent, but for its request_id."""
    sent = json_format.MessageToDict(request, preserving_proto_field_name=True)
    return {name: value for name, value in sent.items() if name != "request_id"}
