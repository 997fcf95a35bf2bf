"""Evaluations: published, listed, read; and the gate that promotion asks."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from unit.catalog.test_models import get, make_version, publish
from unit.graph.generators import sampler_graph

from support.data import digits
from synthmill.runtime.errors import AlreadyExists, DataLoss, FailedPrecondition, GateRefused, InvalidField, NotFound
from synthmill.runtime.store import Artifact
from synthmill.runtime.structs import to_struct
from synthmill.v1 import catalog_service_pb2 as pb
from synthmill.v1 import evaluation_pb2

SWEPT_WITHIN_S = 30.0

HIGH, LOW = evaluation_pb2.BETTER_HIGH, evaluation_pb2.BETTER_LOW


@pytest.fixture
def model(calls, name, store):
    """A model version."""
    return publish(calls, name, make_version(store, sampler_graph(("circle", "square")).SerializeToString()))


def condition(figure="coverage", bound=0.5, value=0.75, better=HIGH, passed=True):
    sentence = f"{figure} {value} is {'not ' * (not passed)}what it should be"
    return evaluation_pb2.GateCondition(
        figure=figure, bound=bound, better=better, value=value, passed=passed, sentence=sentence
    )


def evaluation(store, of, *conditions, report=b"<!doctype html>", **changes) -> evaluation_pb2.Evaluation:
    """Makes an evaluation whose files are in the store."""
    conditions = conditions or (condition(), condition("near_copy_share", 0.05, 0.01, LOW))
    artifacts = [
        store.put_bytes(report, "report.html", "text/html"),
        store.put_bytes(b'{"figures": []}', "findings.json", "application/json"),
    ]
    fields = {
        "subject": of.name,
        "subject_digest": of.digest,
        "reference": "datasets/shapes/versions/1",
        "reference_digest": "b" * 64,
        "kind": "image",
        "passed": all(each.passed for each in conditions),
        "conditions": conditions,
        "figures": to_struct({"coverage": 0.75, "kid": -0.001}),
        "verdict": ["It will do."],
        "artifacts": [artifact.to_proto() for artifact in artifacts],
        "job": "jobs/evaluation-1",
    }
    return evaluation_pb2.Evaluation(**{**fields, **changes})


def put(calls, given, request_id="") -> evaluation_pb2.Evaluation:
    return calls.catalog.PublishEvaluation(pb.PublishEvaluationRequest(evaluation=given, request_id=request_id))


def refused(store, subject, **fields) -> evaluation_pb2.Evaluation:
    missed = condition("lift", 0.0, -0.125, passed=False)
    return evaluation(store, subject, condition(), missed, **fields)


def listed(calls, subject, **fields) -> list[str]:
    return [
        item.name
        for item in calls.catalog.ListEvaluations(pb.ListEvaluationsRequest(subject=subject, **fields)).evaluations
    ]


def promote(calls, model, reason=""):
    return calls.catalog.PromoteModel(pb.PromoteModelRequest(name=model.name, override_reason=reason))


def test_a_published_evaluation_is_complete_and_visible(calls, store, model):
    given = evaluation(store, model)
    published = put(calls, given)
    assert published == calls.catalog.GetEvaluation(pb.GetEvaluationRequest(name=published.name))
    for field in ("subject", "subject_digest", "reference", "reference_digest", "kind", "passed", "job"):
        assert getattr(published, field) == getattr(given, field)
    assert list(published.conditions) == list(given.conditions)
    assert dict(published.figures) == {"coverage": 0.75, "kid": -0.001}
    assert list(published.verdict) == ["It will do."]
    chunks = calls.catalog.ReadArtifact(pb.ReadArtifactRequest(owner=published.name, artifact="report.html"))
    assert b"".join(chunk.data for chunk in chunks) == b"<!doctype html>"


def test_a_repeated_request_publishes_once(calls, store, model):
    request_id, given = str(uuid.uuid4()), evaluation(store, model)
    with ThreadPoolExecutor(8) as pool:
        names = {made.name for made in pool.map(lambda _: put(calls, given, request_id), range(16))}
    assert len(names) == 1
    assert listed(calls, model.name) == list(names)
    with pytest.raises(AlreadyExists):
        put(calls, evaluation(store, model, report=b"another"), request_id)


def test_concurrent_publications_get_names_of_their_own(calls, store, model):
    given = evaluation(store, model)
    with ThreadPoolExecutor(8) as pool:
        names = [made.name for made in pool.map(lambda _: put(calls, given), range(8))]
    assert len(set(names)) == 8
    numbers = sorted(int(name.removeprefix("evaluations/")) for name in names)
    assert numbers == list(range(numbers[0], numbers[0] + 8))


def test_evaluations_are_listed_by_version_by_model_and_page_by_page(calls, store, model, name):
    other = publish(calls, name, make_version(store, sampler_graph(("circle", "square"), latent=4).SerializeToString()))
    first, second, third = (put(calls, evaluation(store, subject)).name for subject in (model, other, model))
    assert listed(calls, model.name) == [third, first]
    assert listed(calls, other.name) == [second]
    assert listed(calls, f"models/{name}") == [third, second, first]
    page = calls.catalog.ListEvaluations(pb.ListEvaluationsRequest(subject=f"models/{name}", page_size=2))
    rest = listed(calls, f"models/{name}", page_size=2, page_token=page.next_page_token)
    assert [item.name for item in page.evaluations] + rest == [third, second, first]
    assert not any(item.artifacts for item in page.evaluations)
    assert third in listed(calls, "")
    with pytest.raises(InvalidField, match="subject"):
        listed(calls, name)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"subject": "models/nobody"}, "evaluation.subject"),
        ({"subject": "policies/x/versions/1"}, "evaluation.subject"),
        ({"subject_digest": "no digest"}, "evaluation.subject_digest"),
        ({"subject_digest": "0" * 64}, "evaluation.subject_digest"),
        ({"reference": "datasets/shapes"}, "evaluation.reference"),
        ({"conditions": []}, "evaluation.conditions"),
        ({"conditions": [condition(passed=True, value=0.25)]}, "evaluation.conditions[0].passed"),
        ({"conditions": [condition(better=LOW)]}, "evaluation.conditions[0].passed"),
        ({"conditions": [condition(better=0)]}, "evaluation.conditions[0].better"),
        ({"conditions": [condition(value=float("nan"), passed=False)]}, "evaluation.conditions[0].value"),
        ({"passed": False}, "evaluation.passed"),
        ({"figures": to_struct({"coverage": "much"})}, "evaluation.figures.coverage"),
        ({"figures": to_struct({"coverage": float("inf")})}, "evaluation.figures.coverage"),
        ({"artifacts": []}, "evaluation.artifacts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_that_does_not_fit_is_refused_and_nothing_is_published(calls, store, model, changes, field):
    with pytest.raises(InvalidField) as refusal:
        put(calls, evaluation(store, model, **changes))
    assert refusal.value.metadata["field"] == field
    assert listed(calls, model.name) == []


def test_what_is_not_there_is_not_found(calls, store, model):
    with pytest.raises(NotFound):
        put(calls, evaluation(store, model, subject="models/nobody/versions/1"))
    with pytest.raises(NotFound):
        calls.catalog.GetEvaluation(pb.GetEvaluationRequest(name="evaluations/999999999"))
    for name in ("evaluations/0", "evaluations/x", "models/x"):
        with pytest.raises(InvalidField):
            calls.catalog.GetEvaluation(pb.GetEvaluationRequest(name=name))
    lost = evaluation(store, model)
    lost.artifacts[0].sha256 = "1" * 64
    lost.artifacts[0].uri = f"store://sha256/{lost.artifacts[0].sha256}"
    with pytest.raises(DataLoss, match=r"report\.html"):
        put(calls, lost)


def test_a_version_that_was_never_evaluated_is_not_promoted(calls, model):
    with pytest.raises(GateRefused, match=rf"`synthmill evaluate {model.name.removeprefix('models/')}`") as refusal:
        promote(calls, model)
    assert refusal.value.metadata["value"] == model.name
    assert not get(calls, model.name).HasField("promotion")


def test_an_imported_version_needs_the_name_of_a_dataset(calls, name, store):
    graph = sampler_graph(("circle", "square")).SerializeToString()
    imported = publish(calls, name, make_version(store, graph, dataset="", family="imported"))
    with pytest.raises(GateRefused, match="--against DATASET"):
        promote(calls, imported)


def test_the_newest_evaluation_of_the_version_decides(calls, store, model):
    passed = put(calls, evaluation(store, model))
    promoted = promote(calls, model)
    assert promoted.promoted
    assert (promoted.promotion.evaluation, promoted.promotion.override_reason) == (passed.name, "")
    worse = put(calls, refused(store, model))
    with pytest.raises(GateRefused, match=r"lift -0\.125 is not what it should be") as refusal:
        promote(calls, model)
    metadata = refusal.value.metadata
    assert (metadata["evaluation"], metadata["figure"]) == (worse.name, "lift")
    assert (metadata["value"], metadata["bound"]) == ("-0.125", "0.0")
    assert refusal.value.code == FailedPrecondition.code
    # It had been promoted before.
    assert get(calls, model.name).promotion.evaluation == passed.name
    put(calls, evaluation(store, model))
    assert promote(calls, model).promoted


def test_an_evaluation_of_another_version_does_not_count(calls, store, model, name):
    put(calls, evaluation(store, model))
    other = publish(calls, name, make_version(store, sampler_graph(("circle", "square"), latent=4).SerializeToString()))
    with pytest.raises(GateRefused, match="never evaluated"):
        promote(calls, other)


def test_a_reason_overrides_the_gate_and_is_kept(calls, store, model):
    promoted = promote(calls, model, "a trial on Monday")
    assert (promoted.promotion.evaluation, promoted.promotion.override_reason) == ("", "a trial on Monday")
    assert promoted.promotion.promote_time.seconds >= promoted.create_time.seconds
    worse = put(calls, refused(store, model))
    again = promote(calls, model, "a trial on Tuesday")
    assert (again.promotion.evaluation, again.promotion.override_reason) == (worse.name, "a trial on Tuesday")
    assert get(calls, model.name).promotion == again.promotion


@pytest.mark.parametrize("reason", [" ", "x" * 1001], ids=["blank", "long"])
def test_a_reason_that_is_none_is_refused(calls, model, reason):
    with pytest.raises(InvalidField, match="override_reason"):
        promote(calls, model, reason)
    assert not get(calls, model.name).promoted


def test_an_evaluation_goes_with_its_version_files_and_all_and_its_number_is_not_used_again(calls, store, model, name):
    mine = f"a report on {model.name}".encode()
    published = put(calls, evaluation(store, model, report=mine))
    report = Artifact.from_proto(published.artifacts[0])
    calls.catalog.DeleteModel(pb.DeleteModelRequest(name=model.name))
    with pytest.raises(NotFound):
        calls.catalog.GetEvaluation(pb.GetEvaluationRequest(name=published.name))
    deadline = time.monotonic() + SWEPT_WITHIN_S
    while store.exists(report):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    other = publish(calls, name, make_version(store, sampler_graph(("circle", "square")).SerializeToString()))
    assert put(calls, evaluation(store, other)).name != published.name


def test_a_dataset_is_evaluated_and_takes_its_evaluations_with_it(calls, store, folder, name):
    images, labels = digits()
    np.savez(folder / "few.npz", x=images[:50], y=labels[:50])
    dataset = calls.import_dataset(name, folder / "few.npz")
    published = put(calls, evaluation(store, dataset))
    assert listed(calls, f"datasets/{name}") == [published.name]
    calls.catalog.DeleteDataset(pb.DeleteDatasetRequest(name=dataset.name))
    assert listed(calls, dataset.name) == []
