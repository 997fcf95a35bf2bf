"""A request for training is resolved in full, or refused before there is a job, with what is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from synthmill.runtime.errors import FailedPrecondition, InvalidField
from synthmill.runtime.structs import to_struct
from synthmill.training.convert import to_asked
from synthmill.training.request import Asked, Target, make_spec
from synthmill.v1 import artifact_pb2, dataset_pb2
from synthmill.v1 import training_service_pb2 as pb

LABELS = ["cat", "dog"]


def dataset(*counts: int, labels: list[str] = LABELS, side: int = 28, **splits: int) -> dataset_pb2.Dataset:
    columns = ("image", "label") if labels else ("image",)
    found = {"train": sum(counts), **splits}
    return dataset_pb2.Dataset(
        name="datasets/pets/versions/1",
        kind="image",
        labels=labels,
        schema=to_struct({"height": side, "width": side, "channels": 1}),
        splits=[
            dataset_pb2.Split(name=name, record_count=count, class_counts=counts if name == "train" and labels else [])
            for name, count in found.items()
        ],
        artifacts=[artifact_pb2.Artifact(name=f"{split}.{column}.npy") for split in found for column in columns],
    )


def test_a_request_is_resolved_in_full():
    request = pb.CreateTrainingJobRequest(family="gan", seed=2**63, parameters=to_struct({"steps": "50"}))
    spec = make_spec(dataset(500, 400, validation=100), to_asked(request))
    assert (spec.dataset, spec.family, spec.model) == ("datasets/pets/versions/1", "gan", "pets-gan")
    assert (spec.seed, spec.budget_s, spec.target, spec.processes, spec.why) == (str(2**63), 0.0, None, 1, "")
    assert spec.held_out == "validation"
    assert (spec.parameters["steps"], spec.parameters["min_class_records"]) == (50, 8)


def test_a_time_leaves_the_steps_to_the_run_unless_they_are_given():
    request = pb.CreateTrainingJobRequest(family="gan", budget={"seconds": 600, "nanos": 500_000_000})
    spec = make_spec(dataset(500, 400), to_asked(request))
    assert (spec.budget_s, spec.parameters["steps"]) == (600.5, 100_000_000)
    spec = make_spec(dataset(500, 400), Asked("gan", parameters={"steps": 70}, budget_s=600))
    assert (spec.budget_s, spec.parameters["steps"]) == (600, 70)


@pytest.mark.parametrize("seconds", [-1, 0, 31 * 86_400])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(InvalidField, match="budget"):
        to_asked(pb.CreateTrainingJobRequest(family="gan", budget={"seconds": seconds}))


@pytest.mark.parametrize(
    ("labels", "figure", "least", "field"),
    [
        (LABELS, "fidelity", 0.5, "target.figure"),
        ([], "tstr", 0.5, "target.figure"),
        (LABELS, "fid", 0.5, "target.figure"),
        (LABELS, "tstr", 0.0, "target.least"),
        (LABELS, "tstr", 1.1, "target.least"),
        (LABELS, "tstr", float("nan"), "target.least"),
    ],
)
def test_a_target_that_cannot_be_measured_is_refused(labels, figure, least, field):
    with pytest.raises(InvalidField) as refusal:
        make_spec(dataset(500, 400, labels=labels), Asked("gan", target=Target(figure, least)))
    assert refusal.value.metadata["field"] == field


def test_a_target_is_kept():
    assert make_spec(dataset(500, 400), Asked("gan", target=Target("tstr", 0.85))).target == 0.85
    assert make_spec(dataset(500, labels=[]), Asked("gan", target=Target("fidelity", 0.9))).target == 0.9


@pytest.mark.parametrize(
    ("counts", "labels", "given", "told"),
    [
        ((400, 3), LABELS, {}, r"fewer than 8 training records in dog \(3\)"),
        ((0, 400), LABELS, {}, r"cat \(0\)"),
        ((7,), [], {}, r"in all \(7\)"),
        ((1,), [], {"min_class_records": 0}, "takes at least 2"),
        ((1, 0), LABELS, {"min_class_records": 0}, "takes at least 2"),
        ((0, 0), LABELS, {}, "no records in the split 'train'"),
    ],
    ids=["three", "none", "seven", "one", "one-class-of-one", "nothing"],
)
def test_too_few_records_are_refused(counts, labels, given, told):
    with pytest.raises(FailedPrecondition, match=told):
        make_spec(dataset(*counts, labels=labels), Asked("vae", parameters=given))


def test_few_records_are_trained_on_where_that_is_wanted():
    spec = make_spec(dataset(400, 3), Asked("vae", parameters={"min_class_records": 3}))
    assert spec.parameters["min_class_records"] == 3
    make_spec(dataset(50, labels=["cat"]), Asked("gan"))


@pytest.mark.parametrize("processes", [-1, 0, 65])
def test_a_number_of_processes_that_is_none_is_refused(processes):
    with pytest.raises(InvalidField, match="processes"):
        make_spec(dataset(500, 400), Asked("gan", processes=processes))


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(InvalidField, match=r"parameters\.batch_size: got 64, allowed: a multiple of 3: 3 processes"):
        make_spec(dataset(500, 400), Asked("gan", processes=3))
    assert make_spec(dataset(500, 400), Asked("gan", processes=2)).processes == 2


def test_auto_chooses_and_says_why():
    spec = make_spec(dataset(5000, 4000, side=8), Asked("auto", model="best"))
    assert (spec.family, spec.model) == ("gan", "best")
    assert spec.why.startswith("gan: ")
    assert make_spec(dataset(20, 30), Asked("auto")).family == "vae"
    assert make_spec(dataset(20, 30), Asked("auto")).model == "pets-auto"


def test_the_service_does_without_torch():
    code = "import sys, synthmill.training.servicer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_executor_is_that_of_the_request_else_that_of_the_service():
    ours, theirs = (
        pb.CreateTrainingJobRequest(family="gan"),
        pb.CreateTrainingJobRequest(family="gan", executor="local"),
    )
    assert to_asked(ours).executor == "local"
    assert to_asked(ours, "ray").executor == "ray"
    assert to_asked(theirs, "ray").executor == "local"
    assert make_spec(dataset(500, 400), to_asked(theirs, "ray")).executor == "local"


def test_an_executor_that_is_none_or_not_installed_is_refused_before_there_is_a_job(monkeypatch):
    with pytest.raises(InvalidField, match="executor: got 'slurm', allowed: one of local, ray"):
        make_spec(dataset(500, 400), Asked("gan", executor="slurm"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FailedPrecondition, match=r"synthmill\[ray\]"):
        make_spec(dataset(500, 400), Asked("gan", executor="ray"))
