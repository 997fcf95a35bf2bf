"""Calls and streams of the augmentation service."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from PIL import Image
from unit.augmentation.conftest import MESSAGE_BYTES, pixels, record

from synthmill.kinds.policy_messages import to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import (
    FailedPrecondition,
    InvalidField,
    NotFound,
    Overloaded,
    ResourceExhausted,
    Unavailable,
)
from synthmill.runtime.tensors import from_tensor, to_tensor
from synthmill.v1 import augmentation_service_pb2 as pb

POLICY = {"border": "reflect", "steps": [{"op": "rotate", "degrees": [-20, 20]}, {"op": "brightness"}]}
IMAGES = pixels(300, 12, 12)


def spec_of(policy=POLICY, **more) -> pb.AugmentationSpec:
    return pb.AugmentationSpec(policy=to_policy(policy), seed=more.pop("seed", 5), **more)


def in_process(images, indices, policy=POLICY, seed=5) -> list[np.ndarray]:
    side = get_kind("image").augmentation()
    examples = [side.to_example({"image": image}) for image in images]
    return [example.image for example in side.open(side.policy(policy)).augment(examples, indices, seed)]


def images_of(results) -> list[np.ndarray]:
    return [from_tensor(result.arrays[0]) for result in results]


def assert_same(found, wanted) -> None:
    assert len(found) == len(wanted)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


async def messages(spec, records, size=50):
    """Yields the messages of a stream.

    Where the service refuses the spec, there must be no records: gRPC for asyncio would hide how the stream has ended
    behind its own failure to send them.
    """
    yield pb.AugmentStreamRequest(spec=spec)
    for start in range(0, len(records), size):
        yield pb.AugmentStreamRequest(records=records[start : start + size])


async def stream(service, requests) -> list[pb.AugmentationResult]:
    return [result async for answer in service.stub.AugmentStream(requests) for result in answer.results]


async def test_a_call_and_a_stream_give_what_the_engine_gives(service):
    records = [record(image) for image in IMAGES]
    wanted = in_process(IMAGES, range(300))
    answer = await service.stub.Augment(pb.AugmentRequest(spec=spec_of(), records=records))
    assert len(answer.policy_digest) == 64
    assert_same(images_of(answer.results), wanted)
    for size in (1000, 7):
        results = await stream(service, messages(spec_of(), records, size))
        assert [result.index for result in results] == list(range(300))
        assert_same(images_of(results), wanted)
    # What is held is given back.
    assert service.memory._held == 0


async def test_index_counts_on_from_the_record_before(service):
    records = [record(IMAGES[0], 40), record(IMAGES[1]), record(IMAGES[2], 7), record(IMAGES[3])]
    answer = await service.stub.Augment(pb.AugmentRequest(spec=spec_of(), records=records))
    assert [result.index for result in answer.results] == [40, 41, 7, 8]
    assert_same(images_of(answer.results), in_process(IMAGES[:4], [40, 41, 7, 8]))
    assert [result.index for result in await stream(service, messages(spec_of(), records, 1))] == [40, 41, 7, 8]


BAD = {
    "shape": (record(pixels(0, 12)), "image", "0 x 0 pixels|12 x 0"),
    "long": (record(np.zeros((1, 50_000, 1), np.uint8)), "image", "50000 x 1 pixels"),
    "box": (record(IMAGES[0], boxes=np.array([[0, 0, 13, 3]], np.float32)), "boxes[0]", "x from 0 to 12"),
    "label": (record(IMAGES[0], label=np.array([0.5, 0.5], np.float32)), "label", "float32 [2]"),
    "name": (record(IMAGES[0], sound=np.zeros(3)), "sound", "only image"),
    "index": (record(IMAGES[0], -1), "index", "0 to 2^48 - 1"),
    "file": (pb.AugmentationRecord(arrays=[to_tensor("encoded", np.zeros(9, np.uint8))]), "encoded", "PNG or JPEG"),
    "tensor": (pb.AugmentationRecord(arrays=[pb.AugmentationRecord().arrays.add(name="image")]), "image.data_type", ""),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_record_is_told_by_its_index_and_the_others_have_results(service, case):
    bad, field, said = BAD[case]
    records = [record(IMAGES[0], 3), bad, record(IMAGES[1], 9)]
    spec = spec_of(class_count=3)
    answer = await service.stub.Augment(pb.AugmentRequest(spec=spec, records=records))
    for results in (answer.results, await stream(service, messages(spec, records))):
        assert [result.HasField("error") for result in results] == [False, True, False]
        assert results[1].error.reason == "INVALID_FIELD"
        assert results[1].error.metadata["field"] == field
        assert any(text in results[1].error.message for text in said.split("|"))
        assert_same(images_of([results[0], results[2]]), in_process(IMAGES[:2], [3, 9]))


async def test_files_are_decoded(service):
    file = io.BytesIO()
    Image.fromarray(IMAGES[0, :, :, 0]).save(file, "PNG")
    encoded = to_tensor("encoded", np.frombuffer(file.getvalue(), np.uint8))
    records = [pb.AugmentationRecord(arrays=[encoded]), record(IMAGES[0], 0)]
    answer = await service.stub.Augment(pb.AugmentRequest(spec=spec_of(), records=records))
    assert [tensor.name for tensor in answer.results[0].arrays] == ["image"]
    assert answer.results[0].arrays == answer.results[1].arrays


async def test_records_are_mixed_with_a_pool(service):
    spec = spec_of({"steps": [{"op": "mixup"}]}, pool="datasets/pets")
    label = np.array([1, 0, 0], np.float32)
    records = [record(image, label=label) for image in IMAGES[:30]]
    answer = await service.stub.Augment(pb.AugmentRequest(spec=spec, records=records))
    assert answer.pool == "datasets/pets/versions/1"
    labels = np.stack([from_tensor(result.arrays[1]) for result in answer.results])
    assert labels.shape == (30, 3)
    assert (labels[:, 0] < 1).any()
    with pytest.raises(FailedPrecondition, match=r"policy\.steps\[0\]: mixup"):
        await service.stub.Augment(pb.AugmentRequest(spec=spec_of({"steps": [{"op": "mixup"}]}), records=records))
    with pytest.raises(InvalidField, match=r"spec\.class_count"):
        spec.class_count = 4
        await service.stub.Augment(pb.AugmentRequest(spec=spec, records=records))


REFUSED = {
    "unknown": ({"steps": [{"op": "rotat"}]}, "policy.steps[0].op"),
    "probability": ({"steps": [{"op": "grey"}, {"op": "rotate", "probability": 1.5}]}, "policy.steps[1].probability"),
    "parameter": ({"steps": [{"op": "rotate", "degrees": [9, 1]}]}, "policy.steps[0].degrees"),
    "group": ({"steps": [{"one_of": [{"op": "grey"}, {"op": "x"}]}]}, "policy.steps[0].one_of[1].op"),
    "setting": ({"border": "soft", "steps": []}, "policy.border"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_bad_policy_is_refused_by_its_path(service, case):
    policy, field = REFUSED[case]
    for call in (
        service.stub.Augment(pb.AugmentRequest(spec=spec_of(policy), records=[record(IMAGES[0])])),
        stream(service, messages(spec_of(policy), [])),
        service.stub.ResolvePolicy(pb.ResolvePolicyRequest(policy=to_policy(policy))),
    ):
        with pytest.raises(InvalidField) as refusal:
            await call
        assert refusal.value.metadata["field"] == field


async def test_spec_is_needed_once_and_first(service):
    with pytest.raises(InvalidField, match="exactly one of policy, ready_made, policy_name"):
        await service.stub.Augment(pb.AugmentRequest(records=[record(IMAGES[0])]))
    with pytest.raises(NotFound, match=r"spec\.ready_made"):
        spec = pb.AugmentationSpec(ready_made="heavy")
        await service.stub.Augment(pb.AugmentRequest(spec=spec, records=[record(IMAGES[0])]))
    with pytest.raises(InvalidField, match="kind: got 'sound'"):
        await service.stub.Augment(pb.AugmentRequest(spec=spec_of(kind="sound"), records=[record(IMAGES[0])]))
    for count in (0, 1025):
        with pytest.raises(InvalidField, match="records"):
            await service.stub.Augment(pb.AugmentRequest(spec=spec_of(), records=[record(pixels(2, 2))] * count))

    async def without():
        yield pb.AugmentStreamRequest(records=[record(IMAGES[0])])

    with pytest.raises(InvalidField, match="spec: got 'nothing'"):
        await stream(service, without())


async def test_fault_of_a_stream_comes_after_the_results_before_it(service):
    async def twice():
        yield pb.AugmentStreamRequest(spec=spec_of(), records=[record(IMAGES[0])])
        yield pb.AugmentStreamRequest(spec=spec_of())
        await asyncio.sleep(10)

    found = []
    with pytest.raises(InvalidField, match="after the first message"):
        async for answer in service.stub.AugmentStream(twice()):
            found += answer.results
    assert len(found) == 1


async def test_results_beyond_a_message_are_refused_or_told_in_their_place(service):
    poster = {"steps": [{"op": "resize", "height": 1500, "width": 1500}]}
    records = [record(pixels(4, 4)), record(pixels(4, 4))]
    with pytest.raises(ResourceExhausted, match="fewer records"):
        await service.stub.Augment(pb.AugmentRequest(spec=spec_of(poster), records=records))
    assert len(await stream(service, messages(spec_of(poster), records * 6))) == 12
    poster["steps"][0]["width"] = 3000
    [result] = await stream(service, messages(spec_of(poster), records[:1]))
    assert result.error.reason == "RESOURCE_EXHAUSTED"
    assert f"more than a message of {MESSAGE_BYTES}" in result.error.message


async def test_slow_reader_slows_the_sender_down(service):
    sent = 0
    image = record(pixels(512, 512))

    async def endless():
        nonlocal sent
        yield pb.AugmentStreamRequest(spec=spec_of())
        while True:
            sent += 1
            yield pb.AugmentStreamRequest(records=[image] * 4)

    call = service.stub.AugmentStream(endless())
    async for answer in call:
        if answer.results:
            break
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.5)
    # The window of the service, and what gRPC holds on both ways: by far less than what two seconds would bring.
    assert sent < 100
    call.cancel()
    while service.memory._held:
        await asyncio.sleep(0.01)


async def test_draining_service_ends_a_stream_and_says_where(service):
    opened = asyncio.Event()

    async def waiting():
        yield pb.AugmentStreamRequest(spec=spec_of(), records=[record(image) for image in IMAGES[:5]])
        await opened.wait()

    found = []
    with pytest.raises(Unavailable) as refusal:
        async for answer in service.stub.AugmentStream(waiting()):
            found += answer.results
            if len(found) == 5:
                service.drain.begin()
    assert refusal.value.metadata == {"next_record": "5"}
    opened.set()


async def test_call_is_shed_while_others_hold_the_memory(service):
    request = pb.AugmentRequest(spec=spec_of(), records=[record(IMAGES[0])])
    with service.memory.hold(64 << 20), pytest.raises(Overloaded) as refusal:
        await service.stub.Augment(request)
    assert refusal.value.retry_after_s > 0
    with service.memory.hold(64 << 20), pytest.raises(Overloaded):
        await stream(service, messages(spec_of(), []))
    await service.stub.Augment(request)


async def test_preview_is_a_picture_of_the_record_and_its_results(service):
    request = pb.PreviewRequest(spec=spec_of(), record=record(IMAGES[0], 7), count=5, columns=3)
    picture = (await service.stub.Preview(request)).picture
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert image.width > 3 * 100
    with pytest.raises(InvalidField, match="count"):
        await service.stub.Preview(pb.PreviewRequest(spec=spec_of(), record=record(IMAGES[0]), count=257))
    with pytest.raises(InvalidField, match="image"):
        await service.stub.Preview(pb.PreviewRequest(spec=spec_of(), record=record(pixels(0, 3))))


async def test_operations_have_parameters_and_an_example_that_is_a_policy(service):
    operations = (await service.stub.ListOperations(pb.ListOperationsRequest(kind="image"))).operations
    side = get_kind("image").augmentation()
    assert [operation.name for operation in operations] == list(side.operations)
    for operation in operations:
        assert operation.description.endswith(".")
        assert operation.group
        request = pb.ResolvePolicyRequest()
        request.policy.steps.append(operation.example)
        resolved = await service.stub.ResolvePolicy(request)
        assert resolved.policy.steps[0] == operation.example
        assert set(operation.example.operation.parameters) == {parameter.name for parameter in operation.parameters}
    rotate = next(operation for operation in operations if operation.name == "rotate")
    assert rotate.parameters[0].type == "range"
    with pytest.raises(NotFound, match="kind"):
        await service.stub.ListOperations(pb.ListOperationsRequest(kind="sound"))


async def test_ready_made_policies_resolve_to_themselves(service):
    answer = await service.stub.ListReadyMadePolicies(pb.ListReadyMadePoliciesRequest())
    assert "light" in {policy.name for policy in answer.policies}
    for policy in answer.policies:
        for request in (
            pb.ResolvePolicyRequest(policy=policy.policy),
            pb.ResolvePolicyRequest(kind="image", ready_made=policy.name),
        ):
            resolved = await service.stub.ResolvePolicy(request)
            assert (resolved.digest, resolved.policy) == (policy.digest, policy.policy)
