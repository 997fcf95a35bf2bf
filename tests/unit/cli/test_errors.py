"""What the command says and exits with when something is wrong."""

from __future__ import annotations

import json
import signal

import pytest

from synthmill.cli import main
from synthmill.cli.exit_codes import EXIT_CODES, FAULT, SUCCESS, exit_code
from synthmill.runtime import errors


def test_every_error_has_an_exit_code_of_its_own():
    assert set(EXIT_CODES) == set(errors.BY_REASON.values())
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    assert SUCCESS not in EXIT_CODES.values()


def test_unknown_error_is_a_fault():
    assert exit_code(errors.rebuild("NEWER_REASON", "told by a newer service", {})) == FAULT


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["sample", "pets", "--count", 0, "--out", "x"], 2, "count: got 0, allowed: 1 to 281474976710656"),
        (["sample", "pets", "--count", -1, "--out", "x"], 2, "count: got -1, allowed"),
        (["sample", "pets", "--count", 2**62, "--out", "x"], 2, "count: got 4611686018427387904, allowed"),
        (["sample", "pets", "--count", 2**70, "--out", "x"], 2, "count: got 1180591620717411303424, allowed"),
        (["sample", "pets", "--count", 9, "--start", -1, "--out", "x"], 2, "start_index: got -1, allowed: 0 to 281474"),
        (
            ["sample", "pets", "--count", 9, "--part", "2/2", "--out", "x"],
            2,
            "--part: got '2/2', allowed: I/N with 0 <=",
        ),
        (
            ["sample", "pets", "--count", 9, "--part", "half", "--out", "x"],
            2,
            "--part: got 'half', allowed: I/N with 0",
        ),
        (
            ["sample", "pets", "--count", 9, "--part", "0/2", "--out", "x.npz"],
            2,
            "part: got (0, 2), allowed: unset: x.npz",
        ),
        (["sample", "pets", "--count", 9, "--part", "0/2", "--overwrite", "--out", "x"], 2, "overwrite: got True"),
        (
            ["sample", "pets", "--count", 9, "--shard-rows", 0, "--out", "x"],
            2,
            "--shard-rows: got '0', allowed: an int",
        ),
        (["sample", "pets", "--count", 9, "--in-flight", 0, "--out", "x"], 2, "--in-flight: got '0', allowed: an int"),
        (["sample", "pets", "--count", "many", "--out", "x"], 2, "--count: got 'many', allowed: an integer"),
        (["sample", "pets", "--count", "1.5", "--out", "x"], 2, "--count: got '1.5', allowed: an integer"),
        (["sample", "pets", "--count", 9, "--truncation", "x", "--out", "x"], 2, "--truncation: got 'x', allowed: a"),
        (["jobs", "list", "--limit", 0], 2, "--limit: got '0', allowed: an integer of at least 1"),
        (
            ["up", "--base-port", 65535],
            2,
            "--base-port: got '65535', allowed: an integer of at least 1 and at most 65529",
        ),
        (["sample", "pets", "--count", 9, "--labels", "cow", "--out", "x"], 2, "label_plan.label: got 'cow', allowed"),
        (["sample", "pets", "--count", 9, "--labels", "cat=", "--out", "x"], 2, "labels: got 'cat=', allowed"),
        (
            ["sample", "pets", "--count", 9, "--format", "gif", "--out", "x"],
            2,
            "format: got 'gif', allowed: one of",
        ),
        (["sample", "pets", "--count", 9, "--labels", "cat=4", "--out", "x"], 3, "start_index + count: got 9"),
        (["sample", "dragons", "--count", 9, "--out", "x"], 4, "models/dragons"),
        (["train", "pets", "--model", "gan", "--set", "layers=3"], 2, "parameters.layers: got"),
        (["train", "pets", "--model", "gan", "--set", "steps"], 2, "--set: got 'steps', allowed: KEY=VALUE"),
        (["train", "pets", "--model", "gan", "--set", "a=[1"], 2, "--set: got 'a=[1', allowed: KEY=VALUE"),
        (["train", "pets", "--model", "gan", "--seed", -1], 2, "seed: got -1, allowed: an integer of 0 to 2^64 - 1"),
        (["datasets", "import", "pets", "/forbidden/x"], 15, "source_uri: outside the allowed roots (allowed: a path"),
        (["datasets", "import", "pets", "x", "--upload"], 2, "source: got 'x', allowed: a file or folder that exists"),
        (["datasets", "show", "birds"], 4, "datasets/birds"),
        (["jobs", "show", "nonsense"], 2, "name: got 'jobs/nonsense', allowed: jobs/{service}-{id}"),
        (["jobs", "list", "--state", "LATE"], 2, "--state: got 'LATE', allowed: one of PENDING"),
        (["jobs", "list", "--address", "training=127.0.0.1:1", "--service", "training"], 11, "training at 127.0.0.1:1"),
        (["jobs", "list", "--address", "moon=1:1"], 2, "--address: got 'moon=1:1', allowed: HOST"),
        (["serve", "moon"], 2, "SERVICE: got 'moon', allowed: one of catalog"),
        (["fly"], 2, "'fly'"),
    ],
)
def test_error_is_one_line_and_a_code(run, services, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.code == code
    assert result.out == ""
    assert said in result.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_error_for_programs_is_json(run, services):
    result = run("datasets", "show", "birds", "--json")
    told = json.loads(result.err)["error"]
    assert result.out == ""
    assert told["reason"] == "NOT_FOUND"
    assert told["metadata"]["value"] == "datasets/birds"


def test_file_that_cannot_be_written_is_one_line(run, services, tmp_path):
    (tmp_path / "file").touch()
    result = run("sample", "pets", "--count", 9, "--out", tmp_path / "file/pets.npz")
    assert result.code == FAULT
    assert "Not a directory" in result.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_error_that_came_of_a_stop_is_not_told(run, monkeypatch, number, code):
    def release_what_was_not_taken() -> None:
        try:
            signal.raise_signal(number)
        finally:
            raise RuntimeError("cannot release un-acquired lock")

    monkeypatch.setattr(main, "app", release_what_was_not_taken)
    result = run("sample")
    assert (result.code, result.err) == (code, "")


def test_error_of_our_own_stays_one(run, monkeypatch):
    def fail() -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        run("sample")
