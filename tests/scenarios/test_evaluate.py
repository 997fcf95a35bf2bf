"""A model is evaluated by real services, and promoted only if what was found passes the gate."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal

import onnx
import pytest
from PIL import Image
from unit.graph.generators import dense_generator

from support.cluster import children_of
from synthmill.learning.evaluate.findings import Findings
from synthmill.runtime.errors import FailedPrecondition, GateRefused, InvalidField, NotFound
from synthmill.v1 import evaluation_pb2, job_pb2

# An attack that errs for one record of a hundred takes more of them than there are here.
QUICK = {"seeds": 1, "probe_steps": 10, "without_thresholds": ["membership_tpr_1"]}


def lenient(client) -> dict[str, float]:
    """Bounds that anything keeps."""
    far = {evaluation_pb2.BETTER_HIGH: -1e6, evaluation_pb2.BETTER_LOW: 1e6}
    thresholds = [
        each for each in client.evaluation.list_thresholds() if each.figure not in QUICK["without_thresholds"]
    ]
    return {threshold.figure: far[threshold.better] for threshold in thresholds}


def evaluate(client, subject: str, **options) -> evaluation_pb2.Evaluation:
    job = client.evaluation.create_evaluation_job(subject, **{**QUICK, **options})
    return client.catalog.get_evaluation(client.jobs.wait(job.name).result)


def read(client, evaluation: evaluation_pb2.Evaluation, name: str) -> bytes:
    artifact = next(artifact for artifact in evaluation.artifacts if artifact.name == name)
    return b"".join(client.catalog.read_artifact(evaluation.name, artifact))


@pytest.fixture(scope="module")
def passed(client, model) -> tuple[evaluation_pb2.Evaluation, list[job_pb2.JobEvent]]:
    """An evaluation whose gate lets everything through, and what its job told."""
    events: list[job_pb2.JobEvent] = []
    job = client.evaluation.create_evaluation_job(model, thresholds=lenient(client), **QUICK)
    result = client.jobs.wait(job.name, on_event=events.append).result
    return client.catalog.get_evaluation(result), events


@pytest.fixture(scope="module")
def stranger(client, tmp_path_factory) -> str:
    """An imported model, with other classes."""
    path = tmp_path_factory.mktemp("stranger") / "stranger.onnx"
    onnx.save(dense_generator(labels=3, finished=False), str(path))
    return client.jobs.wait(client.catalog.import_model("stranger", path, kind="image").name).result


def test_an_evaluation_has_report_findings_and_figures(client, dataset, model, passed):
    evaluation, _ = passed
    assert (evaluation.subject, evaluation.reference, evaluation.passed) == (model, dataset, True)
    assert evaluation.subject_digest == client.catalog.get_model(model).digest
    report = read(client, evaluation, "report.html").decode()
    assert report.lower().startswith("<!doctype html>")
    assert model in report
    assert "http://" not in report.replace("http://www.w3.org", "")
    findings = Findings.from_json(json.loads(read(client, evaluation, "findings.json")))
    assert {"coverage", "tstr", "trtr", "lift", "authenticity"} <= {figure.name for figure in findings.figures}
    assert {"real", "augmented", "synthetic", "real_synthetic"} <= {arm.name for arm in findings.arms}
    figures = dict(evaluation.figures)
    assert figures.items() >= {each.name: each.measured.value for each in findings.figures}.items()
    assert figures["arms.real.macro_f1"] == findings.arms[0].macro_f1.value
    assert [condition.figure for condition in evaluation.conditions] == [each.figure for each in findings.conditions]
    names = {artifact.name for artifact in evaluation.artifacts}
    assert names == {"report.html", "findings.json", *(f"{picture.name}.png" for picture in findings.pictures)}


def test_the_job_tells_how_it_goes_and_shows_samples(client, passed):
    evaluation, events = passed
    progress = [event.progress for event in events if event.HasField("progress")]
    assert progress[0].phase == "drawing samples"
    assert len({each.phase for each in progress}) > 3
    picture = Image.open(io.BytesIO(client.jobs.read_picture(evaluation.job)))
    assert picture.text["Source"].startswith(evaluation.job)


def test_promotion_needs_an_evaluation_that_passed(client, model, stranger, passed):
    with pytest.raises(GateRefused, match="`synthmill evaluate stranger/versions/1 --against DATASET`"):
        client.catalog.promote_model(stranger)
    assert not client.catalog.get_model(stranger).promoted
    evaluation, _ = passed
    promoted = client.catalog.promote_model(model)
    assert promoted.promoted
    assert (promoted.promotion.evaluation, promoted.promotion.override_reason) == (evaluation.name, "")
    assert client.catalog.get_model(model.partition("/versions/")[0]).name == model


def test_the_newest_evaluation_decides_unless_there_is_a_reason(client, model, passed):
    refused = evaluate(client, model, thresholds={**lenient(client), "coverage": 1e6})
    assert not refused.passed
    with pytest.raises(GateRefused, match="does not pass the gate") as refusal:
        client.catalog.promote_model(model)
    assert refusal.value.metadata["evaluation"] == refused.name
    assert refusal.value.metadata["figure"] == "coverage"
    sentence = next(condition.sentence for condition in refused.conditions if not condition.passed)
    assert sentence in refusal.value.message
    promotion = client.catalog.promote_model(model, override_reason="a trial on Monday").promotion
    assert (promotion.evaluation, promotion.override_reason) == (refused.name, "a trial on Monday")
    assert next(iter(client.catalog.list_evaluations(model))).name == refused.name


def test_a_dataset_is_evaluated_like_a_model(client, dataset):
    job = client.augmentation.create_augmentation_job(dataset, "light", name="more-digits", without_originals=True)
    more = client.jobs.wait(job.name).result
    evaluation = evaluate(client, more, against=dataset)
    assert (evaluation.subject, evaluation.reference) == (more, dataset)
    assert evaluation.subject_digest == client.catalog.get_dataset(more).digest
    assert [item.name for item in client.catalog.list_evaluations("datasets/more-digits")] == [evaluation.name]


def test_a_killed_worker_s_job_goes_on_where_it_was(client, services, model):
    job = client.evaluation.create_evaluation_job(model, thresholds=lenient(client), **{**QUICK, "seeds": 2})
    events: list[job_pb2.JobEvent] = []

    def kill_once(event: job_pb2.JobEvent) -> None:
        was_killed = any(earlier.progress.phase == "training probes" and earlier.progress.done for earlier in events)
        events.append(event)
        if event.progress.phase == "training probes" and event.progress.done and not was_killed:
            for pid in children_of(services.services["evaluation"].pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    ended = client.jobs.wait(job.name, on_event=kill_once)
    assert ended.attempts == 2
    drawing = [event.progress for event in events if event.progress.phase == "drawing samples"]
    # The second attempt finds all samples there, and draws none.
    assert [each.done for each in drawing if each.done == each.total][1:] == [drawing[-1].total]
    assert client.catalog.get_evaluation(ended.result).passed
    assert [item.job for item in client.catalog.list_evaluations(model)].count(job.name) == 1


def test_what_cannot_be_done_is_refused_before_there_is_a_job(client, model, stranger, dataset):
    create = client.evaluation.create_evaluation_job
    with pytest.raises(NotFound):
        create("nothing")
    with pytest.raises(NotFound):
        create(model, "nothing")
    with pytest.raises(NotFound, match="ready_made"):
        create(model, policy="heavy-handed")
    with pytest.raises(InvalidField, match="against"):
        create(dataset)
    with pytest.raises(InvalidField, match="beauty"):
        create(model, thresholds={"beauty": 1.0})
    with pytest.raises(InvalidField, match="seeds"):
        create(model, seeds=101)
    with pytest.raises(FailedPrecondition, match="do not have the same classes"):
        create(stranger, dataset)
    with pytest.raises(InvalidField, match=r"against: .* was not trained on one"):
        create(stranger)


def test_a_dry_run_resolves_everything(client, model, dataset):
    job = client.evaluation.create_evaluation_job(model, validate_only=True)
    found = dict(job.parameters)
    assert (job.name, found["subject"], found["reference"], found["test_split"]) == ("", model, dataset, "test")
    assert (found["seeds"], found["probe_steps"], found["policy_name"]) == (3, 2000, "light")
