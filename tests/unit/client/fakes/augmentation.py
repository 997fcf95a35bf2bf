"""An augmentation service that inverts images, whatever the policy says; what it saves is in the fake catalog."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.struct_pb2 import Value
from unit.client.fakes.catalog import FakeCatalog
from unit.client.fakes.faults import BREAK, Faults
from unit.client.fakes.jobs import FakeJobs

from synthmill.augmentation.lent import LentMemory, open_lent, read_tensors
from synthmill.augmentation.received import to_record
from synthmill.kinds.policy_messages import to_policy
from synthmill.runtime.errors import InvalidField, NotFound, Unavailable
from synthmill.runtime.tensors import from_tensor, to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb
from synthmill.v1 import (
    augmentation_service_pb2_grpc,
    catalog_service_pb2,
    job_pb2,
    policy_pb2,
    training_service_pb2,
)

POLICY = {"border": "reflect", "steps": [{"op": "flip", "probability": 0.5}]}
DIGEST = "e" * 64
POOL = "datasets/pets/versions/3"
PICTURE = b"a picture"


@dataclasses.dataclass(frozen=True)
class Opened:
    """A stream that was opened.

    Attributes:
        spec: of its first message.
        key: of the memory that it offered; empty if it offered none.
        lent_bytes: size of that memory.
        indices: of the records that it has brought, message by message.
        in_blocks: indices of those among them that lay in the memory.
    """

    spec: pb.AugmentationSpec
    key: str
    lent_bytes: int
    indices: list[list[int]] = dataclasses.field(default_factory=list)
    in_blocks: set[int] = dataclasses.field(default_factory=set)


class FakeAugmentation(augmentation_service_pb2_grpc.AugmentationServiceServicer):
    """Augmentation; an image of one pixel cannot be augmented.

    Args:
        jobs: where its jobs are.
        catalog: where policies are saved.

    Attributes:
        requests: all but streams.
        streams: that were opened.
        faults: before which message of results streams break.
        takes_memory: whether each further stream uses the memory that it is offered; all do that have no entry.
    """

    def __init__(self, jobs: FakeJobs, catalog: FakeCatalog) -> None:
        self._jobs, self._catalog = jobs, catalog
        self.requests: list[Any] = []
        self.streams: list[Opened] = []
        self.faults = Faults()
        self.takes_memory: list[bool] = []

    async def Augment(self, request: pb.AugmentRequest, context: Any) -> pb.AugmentResponse:
        self.requests.append(request)
        self._check(request.spec)
        return pb.AugmentResponse(results=map(_invert, request.records), policy_digest=DIGEST)

    async def AugmentStream(
        self, requests: AsyncIterator[pb.AugmentStreamRequest], context: Any
    ) -> AsyncIterator[pb.AugmentResponse]:
        last, fault = self.faults.begin()
        number, memory = 0, None
        async for request in requests:
            if request.HasField("spec"):
                policy_name, offered = self._check(request.spec), request.shared_memory
                self.streams.append(Opened(request.spec, offered.key, offered.byte_size))
                memory = self._open(request)
                pool = POOL if request.spec.pool else ""
                yield pb.AugmentResponse(
                    policy_digest=DIGEST, pool=pool, policy_name=policy_name, shares_memory=memory is not None
                )
                continue
            self.streams[-1].indices.append([record.index for record in request.records])
            self.streams[-1].in_blocks.update(each.index for each in request.records if each.HasField("block"))
            # In two parts, so that a break may come in the middle of what was sent together.
            half = len(request.records) // 2
            for part in (request.records[:half], request.records[half:]):
                if number == last:
                    if fault == BREAK:
                        raise Unavailable("the fake breaks")
                    return
                number += 1
                yield pb.AugmentResponse(results=[_invert(record, memory) for record in part])

    async def Preview(self, request: pb.PreviewRequest, context: Any) -> pb.PreviewResponse:
        self.requests.append(request)
        return pb.PreviewResponse(picture=PICTURE)

    async def ListOperations(self, request: pb.ListOperationsRequest, context: Any) -> pb.ListOperationsResponse:
        chance = training_service_pb2.Parameter(
            name="degrees", type="range", default_value=Value(number_value=15), allowed="a number", description="angle"
        )
        flip = pb.Operation(kind="image", name="flip", group="geometry", description="Mirrors.", parameters=[chance])
        return pb.ListOperationsResponse(operations=[flip])

    async def ListReadyMadePolicies(
        self, request: pb.ListReadyMadePoliciesRequest, context: Any
    ) -> pb.ListReadyMadePoliciesResponse:
        light = pb.ReadyMadePolicy(kind="image", name="light", policy=to_policy(POLICY), digest=DIGEST)
        return pb.ListReadyMadePoliciesResponse(policies=[light] if request.kind in ("", "image") else [])

    async def ResolvePolicy(self, request: pb.ResolvePolicyRequest, context: Any) -> pb.ResolvePolicyResponse:
        policy_name = self._check(request)
        return pb.ResolvePolicyResponse(policy=self._policy(request), digest=DIGEST, policy_name=policy_name)

    async def SavePolicy(self, request: pb.SavePolicyRequest, context: Any) -> policy_pb2.PolicyVersion:
        self._check(request)
        version = policy_pb2.PolicyVersion(kind=request.kind or "image", policy=self._policy(request), digest=DIGEST)
        publish = catalog_service_pb2.PublishPolicyRequest(policy=request.name, version=version)
        return await self._catalog.PublishPolicy(publish, context)

    async def CreateAugmentationJob(self, request: pb.CreateAugmentationJobRequest, context: Any) -> job_pb2.Job:
        self.requests.append(request)
        self._check(request)
        if request.validate_only:
            return job_pb2.Job(type="augment")
        name = request.name or "pets-augmented"
        return self._jobs.succeed(f"datasets/{name}/versions/1", request.request_id, type="augment")

    async def GetLineage(self, request: pb.GetLineageRequest, context: Any) -> pb.GetLineageResponse:
        return pb.GetLineageResponse(source=POOL, source_record=request.record, index=request.record, seed=7)

    def _open(self, request: pb.AugmentStreamRequest) -> LentMemory | None:
        """Opens the memory that a stream offers."""
        if not request.HasField("shared_memory"):
            return None
        return open_lent(request.shared_memory, use=self.takes_memory.pop(0) if self.takes_memory else True)

    def _check(self, request: Any) -> str:
        """Refuses what the fake does not know; returns the policy version that is named, if one is."""
        if request.ready_made not in ("", "light"):
            name = request.ready_made
            raise NotFound(f"ready_made: there is no {name!r}", field="ready_made", value=name)
        for position, step in enumerate(request.policy.steps):
            if step.operation.name == "flop":
                raise InvalidField(f"policy.steps[{position}].op", "flop", "one of flip")
        return self._catalog.find_policy(request.policy_name).name if request.policy_name else ""

    def _policy(self, request: Any) -> policy_pb2.Policy:
        if request.policy_name:
            return self._catalog.find_policy(request.policy_name).policy
        return to_policy(POLICY) if request.ready_made else request.policy


def _invert(record: pb.AugmentationRecord, memory: LentMemory | None = None) -> pb.AugmentationResult:
    arrays = {tensor.name: from_tensor(tensor) for tensor in read_tensors(memory, to_record(record))}
    image = arrays.pop("image")
    if image.size == 1:
        error = pb.AugmentationError(reason="INVALID_FIELD", message="image: too small", metadata={"field": "image"})
        return pb.AugmentationResult(index=record.index, error=error)
    arrays = {"image": 255 - image, **arrays}
    result = pb.AugmentationResult(index=record.index, arrays=[to_tensor(*named) for named in arrays.items()])
    if record.HasField("result_block") and memory.write(record.result_block, arrays):
        result.in_block = True
        for tensor in result.arrays:
            tensor.ClearField("data")
    return result
