"""Messages as JSON, tables as text, progress as lines."""

from __future__ import annotations

import json

from google.protobuf.timestamp_pb2 import Timestamp

from synthmill.cli import progress
from synthmill.cli.output import pairs, show, table, to_json
from synthmill.cli.progress import Meter, format_bytes, format_seconds
from synthmill.runtime.structs import to_struct
from synthmill.v1 import dataset_pb2, job_pb2, sampling_service_pb2


def test_message_as_json_has_every_field():
    job = job_pb2.Job(
        name="jobs/x",
        state=job_pb2.JOB_STATE_RUNNING,
        parameters=to_struct({"steps": 10, "rate": 0.5, "deep": {"list": [1, None, "a"]}}),
        progress=job_pb2.JobProgress(done=2**53, metrics={"loss": 0.25}),
        create_time=Timestamp(seconds=0),
    )
    value = to_json(job)
    assert set(value) == set(job_pb2.Job.DESCRIPTOR.fields_by_name)
    assert value["state"] == "RUNNING"
    assert value["parameters"] == {"steps": 10, "rate": 0.5, "deep": {"list": [1, None, "a"]}}
    assert value["progress"]["done"] == 2**53
    assert value["progress"]["metrics"] == {"loss": 0.25}
    assert value["create_time"] == "1970-01-01T00:00:00Z"
    assert (value["end_time"], value["error"], value["result"]) == (None, None, "")


def test_optional_numbers_and_repeated_messages_as_json():
    assert to_json(sampling_service_pb2.SampleRequest())["truncation"] is None
    assert to_json(sampling_service_pb2.SampleRequest(truncation=0.5))["truncation"] == 0.5
    issues = [dataset_pb2.ImportIssue(reason=dataset_pb2.IMPORT_ISSUE_REASON_BAD_LABEL)]
    response = dataset_pb2.Dataset(splits=[dataset_pb2.Split(name="train", class_counts=[1, 2])])
    assert to_json(response)["splits"] == [{"name": "train", "record_count": 0, "class_counts": [1, 2]}]
    assert to_json(issues[0])["reason"] == "BAD_LABEL"


def test_numbers_that_json_lacks_are_text(capsys):
    show({"loss": float("nan"), "list": [float("inf"), 1.5]}, True, "")
    assert json.loads(capsys.readouterr().out) == {"loss": "nan", "list": ["inf", 1.5]}


def test_table_lines_up_and_cuts_nothing():
    long = "x" * 300
    assert table(("NAME", "N"), [(long, 1), ("y", 22)]).splitlines()[2] == "y" + " " * 301 + "22"
    assert table(("NAME", "N"), []) == "NAME  N"


def test_pairs_leave_out_what_is_empty():
    assert pairs({"name": "x", "license": "", "records": 0}) == "name     x\nrecords  0"


def test_progress_off_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with progress.ProgressDisplay("digits") as display:
        display.update(1000, 3000, "steps", "loss 0.5", "train")
        monkeypatch.setattr(progress, "_LINE_EVERY_S", 100.0)
        display.update(1500, 3000, "steps")
        display.update(2000, 3000, "steps")
        display.say("done")
    captured = capsys.readouterr()
    lines = [line.partition("] ")[2] for line in captured.err.splitlines()]
    assert lines == ["digits: train 1,000 of 3,000 steps loss 0.5", "digits 1,500 of 3,000 steps", "done"]
    assert captured.out == ""


def test_progress_says_how_fast_it_goes_and_how_long_it_takes(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    now_s = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now_s)
    with progress.ProgressDisplay("digits", show_rate=True) as display:
        display.update(50_000, 200_000, "samples")
        now_s = 10.0
        display.update(80_000, 200_000, "samples", "2.0 GB")
    lines = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "digits 50,000 of 200,000 samples",
        "digits 80,000 of 200,000 samples 3,000/s, 40 s left, 2.0 GB",
    ]


def test_meter_forgets_what_is_long_ago_and_what_was_done_before():
    meter = Meter()
    assert (meter.rate, meter.left_s(100)) == (0.0, None)
    for second in range(100):
        meter.add(7_000_000 + (second if second < 50 else 50 + 10 * (second - 50)), second)
    assert meter.rate == 10.0
    assert meter.left_s(7_000_640) == 10.0
    assert meter.left_s(0) is None
    meter.add(5, 100)
    assert meter.rate == 0.0


def test_times_and_sizes_are_short():
    assert [format_seconds(seconds) for seconds in (0.4, 59.6, 187, 3787)] == ["0 s", "1:00", "3:07", "1:03:07"]
    sizes = [format_bytes(size) for size in (640, 999_940, 1_300_000_000, 5 * 10**15)]
    assert sizes == ["640 B", "999.9 kB", "1.3 GB", "5000.0 TB"]
