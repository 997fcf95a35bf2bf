"""Every verb, for people and for programs."""

from __future__ import annotations

import json
import uuid

import numpy as np
import pytest
from unit.client.fakes.faults import BREAK
from unit.client.fakes.model import FILES, LABELS, MODEL

from synthmill.v1 import job_pb2


@pytest.fixture(autouse=True)
def _services(services):
    """Every verb here finds the fake services in the environment."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pets/cat").mkdir(parents=True)
    (tmp_path / "pets/cat/1.png").write_bytes(b"png")
    return tmp_path / "pets"


def test_import_names_the_source_to_a_catalog_on_this_machine(run, services, folder):
    result = run("datasets", "import", "pets", folder, "--kind", "image", "--label-from", "folder", "--json",
                 "--set", "height=8", "--license", "CC0-1.0")  # fmt: skip
    assert result.code == 0
    assert result.json["name"] == "datasets/pets/versions/3"
    assert result.json["report"]["issue_counts"] == {"CORRUPT": 1}
    assert result.json["schema"] == {"height": 6, "width": 5, "channels": 1}
    [request] = services.catalog.requests
    assert request.source_uri == str(folder)
    assert request.spec.parameters["height"] == "8"
    assert request.spec.provenance.license == "CC0-1.0"


def test_import_uploads_when_asked_to(run, services, folder):
    assert run("datasets", "import", "pets", folder, "--upload").code == 0
    assert services.catalog.uploads[0][0] == "pets.tar"


def test_import_detached_prints_the_job(run, folder):
    job = run("datasets", "import", "pets", folder, "--detach", "--json").json
    assert job["name"].startswith("jobs/catalog-")
    assert (job["type"], job["state"]) == ("import-dataset", "SUCCEEDED")


def test_datasets_are_listed_and_shown(run):
    names = [item["name"] for item in run("datasets", "list", "--json").json]
    assert names == [f"datasets/pets/versions/{n}" for n in (3, 2, 1)]
    assert "datasets/pets/versions/2" in run("datasets", "list").out
    shown = run("datasets", "show", "pets/versions/2")
    assert "1 of 51 items" in shown.out
    assert "CORRUPT 1" in shown.out


def test_issues_are_listed(run):
    [issue] = run("datasets", "issues", "pets", "--json").json
    assert issue["reason"] == "CORRUPT"
    assert issue["dropped"] is True
    assert "cat/7.png" in run("datasets", "issues", "pets").out


def test_dataset_is_exported_as_parquet(run, tmp_path):
    result = run("datasets", "export", "pets", "--out", tmp_path / "out", "--json")
    assert result.json["files"] == [str(tmp_path / "out/train.parquet")]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "train.parquet"]
    assert json.loads((tmp_path / "out/manifest.json").read_text())["name"] == "datasets/pets/versions/3"


def test_damaged_export_leaves_nothing(run, services, tmp_path):
    services.catalog.damaged = True
    assert run("models", "export", "pets", "--out", tmp_path / "out").code == 9
    assert run("models", "export", "pets", "--out", tmp_path / "pets.onnx").code == 9
    assert list(tmp_path.iterdir()) == []


def test_versions_are_deleted(run, services):
    assert run("datasets", "delete", "pets/versions/1", "--json").json == {"deleted": "pets/versions/1"}
    assert run("models", "delete", "pets/versions/1").out == "deleted pets/versions/1\n"
    assert services.catalog.deleted == ["datasets/pets/versions/1", f"{MODEL}/versions/1"]


def test_models_are_listed_shown_and_promoted(run):
    assert [item["name"] for item in run("models", "list", "--json").json] == [f"{MODEL}/versions/1"]
    assert "cat, dog, fox" in run("models", "show", "pets").out
    promoted = run("models", "promote", "pets/versions/1", "--json").json
    assert (promoted["promoted"], promoted["promotion"]["override_reason"]) == (True, "")
    shown = run("models", "promote", "pets/versions/1", "--override-reason", "a trial on Monday").out
    assert "evaluations/2; overridden, a trial on Monday" in shown


def test_model_is_imported(run, services, tmp_path):
    (tmp_path / "gan.onnx").write_bytes(b"onnx")
    arguments = ("--labels", "cat, dog", "--set", "range=[-1, 1]", "--set", "latent=z")
    model = run("models", "import", "pets", tmp_path / "gan.onnx", *arguments, "--json").json
    assert model["name"] == f"{MODEL}/versions/1"
    [header] = services.catalog.requests
    assert list(header.labels) == ["cat", "dog"]
    assert list(header.parameters["range"]) == [-1, 1]
    assert header.parameters["latent"] == "z"
    assert header.kind == "image"


def test_model_is_exported_whole_or_as_the_graph_alone(run, tmp_path):
    assert run("models", "export", "pets", "--out", tmp_path / "all").code == 0
    for name, data in FILES.items():
        assert (tmp_path / "all" / name).read_bytes() == data
    assert run("models", "export", "pets", "--out", tmp_path / "pets.onnx").code == 0
    assert (tmp_path / "pets.onnx").read_bytes() == FILES["sampler.onnx"]
    assert run("models", "export", "pets", "--out", tmp_path / "pets.onnx").code == 5


def test_train_prints_the_job_and_follows_it_when_asked(run, services):
    request_id = str(uuid.uuid4())
    arguments = ("train", "pets", "--model", "gan", "--set", "steps=10", "--seed", 2**63, "--request-id", request_id)
    first = run(*arguments, "--json").json
    services.training_jobs.faults.plan = [(2, BREAK)]
    second = run(*arguments, "--follow", "--json").json
    assert first["name"] == second["name"]
    assert second["result"] == f"{MODEL}/versions/1"
    assert services.training.requests[0].seed == 2**63


def test_train_dry_run_makes_no_job(run):
    job = run("train", "pets", "--model", "gan", "--set", "steps=10", "--dry-run", "--json").json
    assert job["name"] == ""
    assert job["parameters"] == {"steps": "10"}


def test_train_says_how_long_and_how_good(run, services):
    options = ("--budget", "1.5m", "--steps", "10", "--target", "tstr=0.85", "--model", "auto")
    assert run("train", "pets", *options, "--processes", "2", "--executor", "ray").code == 0
    [request] = services.training.requests
    assert request.executor == "ray"
    assert (request.budget.seconds, request.parameters["steps"], request.processes) == (90, 10, 2)
    assert (request.target.figure, request.target.least, request.family) == ("tstr", 0.85, "auto")
    run("train", "pets", "--model", "gan")
    assert not services.training.requests[1].HasField("budget")
    assert not services.training.requests[1].HasField("target")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--budget", "10"), ("--budget", "-3m"), ("--budget", "tenm"), ("--target", "tstr=good"), ("--steps", "0")],
)
def test_train_refuses_what_is_no_time_and_no_figure(run, option, value):
    refused = run("train", "pets", "--model", "gan", option, value)
    assert refused.code == 2
    assert option in refused.err


def test_train_takes_the_steps_once(run):
    refused = run("train", "pets", "--model", "gan", "--steps", "5", "--set", "steps=6")
    assert refused.code == 2
    assert "either --steps or --set" in refused.err


def test_families_are_listed(run):
    [family] = run("families", "--json").json
    assert family["parameters"][0]["default_value"] == 3000
    assert "training steps" in run("families").out


def test_jobs_are_listed_over_services_the_newest_first(run, services):
    old = services.training_jobs.add([job_pb2.JOB_STATE_PENDING], create_time={"seconds": 1})
    new = services.catalog_jobs.succeed("x", create_time={"seconds": 2})
    assert [job["name"] for job in run("jobs", "list", "--json").json] == [new.name, old.name]
    assert [job["name"] for job in run("jobs", "list", "--state", "pending", "--json").json] == [old.name]
    assert [job["name"] for job in run("jobs", "list", "--service", "training", "--json").json] == [old.name]


def test_watch_prints_an_event_per_line(run, services):
    job = services.training_jobs.succeed("models/x/versions/1")
    services.training_jobs.faults.plan = [(2, BREAK)]
    result = run("jobs", "watch", job.name, "--after", 1, "--json")
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["sequence"] for event in events] == [2, 3, 4, 5]
    assert events[1]["progress"]["unit"] == "items"
    assert events[1]["state"] is None


def test_watch_exits_as_the_job_did(run, services):
    error = job_pb2.JobError(reason="DIVERGED", message="loss_g is nan at step 7")
    job = services.training_jobs.add([job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_FAILED], error=error)
    result = run("jobs", "watch", job.name)
    assert result.code == 16
    assert "loss_g is nan at step 7" in result.err


def test_latest_picture_of_a_job_is_written(run, services, tmp_path):
    jobs, file = services.training_jobs, tmp_path / "now.png"
    pictures = [jobs.picture(f"picture {number}".encode()) for number in range(5)]
    job = jobs.add([job_pb2.JOB_STATE_RUNNING, *pictures, job_pb2.JOB_STATE_SUCCEEDED])
    # Its history tells of pictures that are gone.
    for progress in pictures[:-2]:
        del jobs.pictures[progress.picture.sha256]
    for verb in ("show", "watch"):
        assert run("jobs", verb, job.name, "--picture", file).code == 0
        assert file.read_bytes() == b"picture 4"
        file.unlink()
    assert "--picture FILE.png" in run("jobs", "show", job.name).out
    assert run("jobs", "show", jobs.add([job_pb2.JOB_STATE_RUNNING]).name, "--picture", file).code == 4
    assert not file.exists()


def test_job_is_cancelled_and_resumed(run, services):
    job = services.training_jobs.add([job_pb2.JOB_STATE_RUNNING])
    assert run("jobs", "cancel", job.name, "--json").json["state"] == "CANCELLED"
    assert "PENDING" in run("jobs", "resume", job.name).out
    assert run("jobs", "show", job.name, "--json").json["state"] == "PENDING"


def test_sample_writes_and_prints_the_manifest(run, tmp_path):
    out = tmp_path / "pets.npz"
    result = run("sample", "pets", "--count", 100, "--seed", 3, "--start", 7, "--labels", "fox", "--out", out, "--json")
    said = {"label_plan": "fox", "truncation": None, "filter": None}
    assert result.json["recipe"] == {"seed": 3, "start_index": 7, "count": 100, **said}
    assert result.json["label_counts"]["fox"] == 100
    assert "100 samples in" in result.err
    with np.load(out) as arrays:
        assert set(arrays["label"]) == {LABELS.index("fox")}


@pytest.mark.parametrize("format_name", ["npz", "parquet", "webdataset", "png"])
def test_sample_has_four_formats(run, tmp_path, format_name):
    out = tmp_path / "pets"
    assert run("sample", "pets", "--count", 10, "--out", out, "--format", format_name).code == 0
    assert json.loads((out / "manifest.json").read_text())["format"] == format_name


def test_sample_says_who_asks(run, services, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHMILL_TENANT", "daily")
    for number, (options, tenant) in enumerate([((), "daily"), (("--tenant", "nightly"), "nightly")]):
        services.sampling.requests.clear()
        assert run("sample", "pets", "--count", 10, "--out", tmp_path / f"{number}.npz", *options).code == 0
        asked = [request for request in services.sampling.requests if hasattr(request, "tenant")]
        assert {request.tenant for request in asked} == {tenant}


def test_sample_of_a_balance_needs_no_count(run, tmp_path):
    result = run("sample", "pets", "--labels", "balance:datasets/pets", "--out", tmp_path / "more", "--json")
    assert result.json["label_counts"] == {"cat": 0, "dog": 3, "fox": 1}


def test_sample_goes_on_with_what_is_there_and_says_so(run, tmp_path):
    arguments = ("sample", "pets", "--count", 900, "--shard-rows", 100, "--out", tmp_path / "pets")
    assert run(*arguments, "--part", "0/2").code == 0
    result = run(*arguments, "--json")
    assert result.json["row_count"] == 900
    assert "pets: 400 of 900 samples are there; going on" in result.err
    assert "900 samples, 500 of them new in" in result.err
    assert "900 of 900 samples are there; nothing to do" in run(*arguments).err
    refused = run(*arguments, "--seed", 1)
    assert refused.code == 5
    assert "seed 0, not 1" in refused.err
    assert "not complete" not in refused.err


def test_parts_are_written_by_several_commands(run, tmp_path):
    arguments = ("sample", "pets", "--count", 900, "--shard-rows", 100, "--out", tmp_path / "pets")
    first = run(*arguments, "--part", "1/2")
    assert "500 samples of" in first.out
    assert "not all parts are there yet" in first.out
    second = run(*arguments, "--part", "0/2")
    assert "not all parts" not in second.out
    assert json.loads((tmp_path / "pets/manifest.json").read_text())["row_count"] == 900
