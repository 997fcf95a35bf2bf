"""Policies that requests bring or name, and those that are saved."""

from __future__ import annotations

import asyncio

import pytest
from unit.augmentation.conftest import FRESH_S, pixels, record

from synthmill.kinds.policy_messages import to_policy
from synthmill.kinds.registry import get_kind
from synthmill.runtime.errors import InvalidField, NotFound
from synthmill.v1 import augmentation_service_pb2 as pb

POLICY = {"border": "reflect", "steps": [{"op": "rotate", "degrees": [-20, 20]}, {"op": "brightness"}]}
OTHER = {"steps": [{"op": "invert"}]}
RECORDS = [record(pixels(12, 12, seed=number)) for number in range(20)]


async def save(service, name="pets", policy=POLICY):
    return await service.stub.SavePolicy(pb.SavePolicyRequest(name=name, policy=to_policy(policy)))


async def augment(service, **spec) -> pb.AugmentResponse:
    return await service.stub.Augment(pb.AugmentRequest(spec=pb.AugmentationSpec(seed=5, **spec), records=RECORDS))


async def stream(service, **spec) -> list[pb.AugmentResponse]:
    async def requests():
        yield pb.AugmentStreamRequest(spec=pb.AugmentationSpec(seed=5, **spec))
        yield pb.AugmentStreamRequest(records=RECORDS)

    return [answer async for answer in service.stub.AugmentStream(requests())]


def results_of(answers) -> list[pb.AugmentationResult]:
    return [result for answer in answers for result in answer.results]


async def test_saved_policy_has_every_default_written_out(service):
    saved = await save(service)
    wanted = get_kind("image").augmentation().policy(POLICY)
    assert (saved.name, saved.kind, saved.digest) == ("policies/pets/versions/1", "image", wanted.digest)
    assert saved.policy == to_policy(wanted.resolved)
    ready_made = await service.stub.SavePolicy(pb.SavePolicyRequest(name="mine", kind="image", ready_made="light"))
    again = await service.stub.SavePolicy(pb.SavePolicyRequest(name="copy", policy_name=ready_made.name))
    assert (again.policy, again.digest) == (ready_made.policy, ready_made.digest)


async def test_named_policy_does_what_it_does_when_it_is_brought(service):
    saved = await save(service)
    wanted = await augment(service, policy=to_policy(POLICY))
    for name in ("policies/pets", saved.name):
        found = await augment(service, policy_name=name)
        assert (found.policy_name, found.policy_digest) == (saved.name, wanted.policy_digest)
        assert found.results == wanted.results
        answers = await stream(service, policy_name=name)
        assert (answers[0].policy_name, answers[0].policy_digest) == (saved.name, wanted.policy_digest)
        assert results_of(answers) == list(wanted.results)
    assert wanted.policy_name == ""
    resolved = await service.stub.ResolvePolicy(pb.ResolvePolicyRequest(policy_name="policies/pets"))
    assert (resolved.policy, resolved.digest, resolved.policy_name) == (saved.policy, saved.digest, saved.name)


async def test_preview_draws_a_named_policy(service):
    await save(service)
    pictures = [
        (await service.stub.Preview(pb.PreviewRequest(spec=spec, record=RECORDS[0], count=3))).picture
        for spec in (pb.AugmentationSpec(policy_name="policies/pets"), pb.AugmentationSpec(policy=to_policy(POLICY)))
    ]
    assert pictures[0] == pictures[1]


async def test_catalog_is_asked_once_for_a_call_or_stream_and_believed_for_a_while(service):
    await save(service)
    await stream(service, policy_name="policies/pets")
    assert service.catalog.asked == ["policies/pets"]
    await augment(service, policy_name="policies/pets")
    assert service.catalog.asked == ["policies/pets"]
    await asyncio.sleep(FRESH_S + 0.1)
    await augment(service, policy_name="policies/pets")
    assert service.catalog.asked == ["policies/pets"] * 2


async def test_new_version_is_the_newest_at_once_and_older_names_mean_what_they_meant(service):
    first = await save(service)
    before = await augment(service, policy_name="policies/pets")
    second = await save(service, policy=OTHER)
    assert (await augment(service, policy_name="policies/pets")).policy_name == second.name
    assert await augment(service, policy_name=first.name) == before


async def test_stream_has_one_version_from_beginning_to_end(service):
    await save(service)
    saved = asyncio.Event()

    async def requests():
        yield pb.AugmentStreamRequest(spec=pb.AugmentationSpec(seed=5, policy_name="policies/pets"))
        await saved.wait()
        yield pb.AugmentStreamRequest(records=RECORDS)

    answers = []
    async for answer in service.stub.AugmentStream(requests()):
        if not answers:
            await save(service, policy=OTHER)
            saved.set()
        answers.append(answer)
    assert results_of(answers) == list((await augment(service, policy=to_policy(POLICY))).results)


ONE = {"policy": to_policy(POLICY)}
REFUSED = {
    "nothing": ({}, "policy", "nothing"),
    "two": ({**ONE, "policy_name": "policies/pets"}, "policy", "policy and policy_name"),
    "names": ({"ready_made": "light", "policy_name": "policies/pets"}, "policy", "ready_made and policy_name"),
    "malformed": ({"policy_name": "pets"}, "policy_name", "policies/{id}"),
    "kind": ({"policy_name": "policies/pets", "kind": "point"}, "policy_name", "a policy for point records"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_request_that_is_not_allowed_is_refused_by_its_field(service, case):
    request, field, said = REFUSED[case]
    await save(service)
    for call, prefix in (
        (augment(service, **request), "spec."),
        (service.stub.ResolvePolicy(pb.ResolvePolicyRequest(**request)), ""),
        (service.stub.SavePolicy(pb.SavePolicyRequest(name="mine", **request)), ""),
    ):
        with pytest.raises(InvalidField) as refusal:
            await call
        assert refusal.value.metadata["field"] == f"{prefix}{field}"
        assert said in refusal.value.message
    assert len(service.catalog.versions) == 1


async def test_policy_that_is_not_there_is_told_by_its_field(service):
    for name in ("policies/birds", "policies/birds/versions/3"):
        for call, field in (
            (augment(service, policy_name=name), "spec.policy_name"),
            (service.stub.ResolvePolicy(pb.ResolvePolicyRequest(policy_name=name)), "policy_name"),
        ):
            with pytest.raises(NotFound, match=name) as refusal:
                await call
            assert refusal.value.metadata == {"field": field, "value": name}


async def test_what_is_not_allowed_is_not_saved(service):
    with pytest.raises(InvalidField) as refusal:
        await save(service, policy={"steps": [{"op": "grey"}, {"one_of": [{"op": "rotate", "degrees": [9, 1]}]}]})
    assert refusal.value.metadata["field"] == "policy.steps[1].one_of[0].degrees"
    for name in ("", "Pets", "policies/pets"):
        with pytest.raises(InvalidField) as refusal:
            await save(service, name)
        assert refusal.value.metadata["field"] == "name"
    assert service.catalog.versions == {}
