"""The whole benchmark, over real services."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support.studio import DATASET
from synthmill.bench.augmentation.options import Options
from synthmill.bench.augmentation.run import run_bench
from synthmill.bench.span import Span
from synthmill.runtime.errors import FailedPrecondition, InvalidField, NotFound

SHORT = ("--rounds", "2", "--seconds", "0.2", "--size", "24x32")
ONCE = ("--rounds", "1", "--seconds", "0.1", "--batch", "2")
MIXUP = "steps: [{op: mixup}]"
CHILDREN = Path(f"/proc/self/task/{Path('/proc/self').resolve().name}/children")
WITHOUT_OPENCV = """
import sys
sys.modules["cv2"] = None
from synthmill.cli.main import main
main()
"""


@pytest.fixture
def mixup(tmp_path) -> Path:
    path = tmp_path / "mixup.yaml"
    path.write_text(MIXUP)
    return path


def test_command_measures_streams_and_calls_beside_the_engine(bench, run, tmp_path):
    plot = tmp_path / "bench.png"
    result = run("bench", "augmentation", *bench.addresses, *SHORT, "--streams", "1,2", "--batch", "1,3",
                 "--processes", "2", "--pid", bench.pid, "--plot", plot, "--json")  # fmt: skip
    assert result.code == 0, result.err
    found = result.json
    assert (found["policy"], found["shape"], found["left_out"]) == ("standard", [24, 32, 3], {})
    assert found["digest"] == bench.client.augmentation.resolve_policy("standard").digest
    assert {"synthmill", "python", "grpcio", "opencv-python-headless"} <= set(found["versions"])
    assert found["processor"]
    assert len(found["rounds"]) == 2
    _check_medians(found["medians"])
    for key in ("stream/1", "stream/2"):
        assert found["shares"][f"{key} of engine"] > 0
        assert found["shares"][f"{key} of engine per cpu"] > 0
    assert 0 < found["shares"]["call/1 of engine"] < 1
    with Image.open(plot) as picture:
        assert picture.width > 1000


def _check_medians(medians: dict[str, dict[str, float]]) -> None:
    assert list(medians) == ["engine", "stream/1", "stream/2", "call/1", "call/3"]
    for key, figures in medians.items():
        assert figures["images_per_s"] > 50
        if key.startswith("stream/"):
            # This policy changes no size.
            for direction in ("sent_bytes_per_s", "bytes_per_s"):
                assert figures[direction] / figures["images_per_s"] == pytest.approx(24 * 32 * 3, rel=0.01)
            assert figures["first_ms"] > 0
        if key.startswith("call/"):
            assert figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"] <= figures["max_ms"]


def test_command_prints_tables_and_ends_after_a_number_of_images(bench, run):
    result = run("bench", "augmentation", *bench.addresses, "--rounds", "1", "--count", "300", "--size", "16",
                 "--channels", "1", "--policy", "light")  # fmt: skip
    assert result.code == 0, result.err
    head, streams, calls = result.out.strip().split("\n\n")
    digest = bench.client.augmentation.resolve_policy("light").digest
    assert head.startswith(f"light ({digest[:12]}) on images of 16 x 16 x 1; medians of 1 rounds of 300 images")
    assert [row.split("  ")[0] for row in streams.splitlines()] == [
        *("THROUGHPUT", "stream x 1", "engine in process, one thread"),
    ]
    assert [row.split("  ")[0] for row in calls.splitlines()] == ["IMAGES OF A CALL", "1", "8"]


def test_command_of_the_guide_runs(bench, run, tmp_path, monkeypatch):
    guide = (Path(__file__).parents[4] / "clients/python/README.md").read_text()
    command = re.search("^`synthmill (bench augmentation [^`]*)`", guide, re.MULTILINE)[1]
    (tmp_path / "policy.yaml").write_text(re.search("```yaml\n(.*?)```", guide, re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    result = run(*shlex.split(command), *bench.addresses, *ONCE, "--json")
    assert result.code == 0, result.err
    assert (result.json["policy"], result.json["shape"]) == ("policy.yaml", [128, 128, 3])


def test_count_is_that_of_the_images_that_are_measured(bench):
    options = Options(shape=(8, 8, 1), batches=(8,), span=Span(count=200), rounds=1)
    [figures] = run_bench(bench.client, "light", options, lambda *_: None).rounds.figures
    assert figures["stream/1"]["messages"] == 200


def test_records_of_a_dataset_are_mixed_with_a_pool(bench, run, mixup):
    result = run("bench", "augmentation", *bench.addresses, *ONCE, "--policy", mixup, "--dataset", "digits",
                 "--pool", "digits", "--json")  # fmt: skip
    assert result.code == 0, result.err
    found = result.json
    assert (found["shape"], found["dataset"], found["pool"]) == ([8, 8, 1], *[f"{DATASET}/versions/1"] * 2)
    assert list(found["medians"]) == ["stream/1", "call/2"]
    assert found["shares"] == {}
    assert "no pool" in found["left_out"]["engine"]
    # Pixels, and a share for each of ten classes.
    stream = found["medians"]["stream/1"]
    assert stream["bytes_per_s"] / stream["images_per_s"] == pytest.approx(8 * 8 + 10 * 4)


def test_without_opencv_the_engine_is_left_out_and_the_extra_is_named(bench):
    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", WITHOUT_OPENCV, "bench", "augmentation", *bench.addresses, *ONCE, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout

    found = json.loads(run("--size", "16", "--json"))
    assert "synthmill[augmentation]" in found["left_out"]["engine"]
    assert list(found["medians"]) == ["stream/1", "call/2"]
    head, _, _ = run("--size", "16").split("\n\n")
    assert "synthmill[augmentation]" in head


@pytest.mark.skipif(not CHILDREN.exists(), reason="this kernel does not tell a process's children")
def test_no_process_is_left_behind(bench):
    before = CHILDREN.read_text()

    def stop(done: int, total: int, phase: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    options = Options(shape=(8, 8, 3), span=Span(0.1), rounds=1, processes=2)
    with pytest.raises(KeyboardInterrupt):
        run_bench(bench.client, "standard", options, stop)
    assert CHILDREN.read_text() == before


@pytest.mark.parametrize(
    ("policy", "given", "error", "told"),
    [
        ("none", {}, NotFound, "none"),
        (MIXUP, {}, FailedPrecondition, "pool"),
        (MIXUP, {"pool": "none"}, NotFound, "none"),
        (MIXUP, {"pool": "digits"}, InvalidField, "channels"),
        ("steps: [{op: rotate, degrees: round}]", {}, InvalidField, "degrees"),
        ("standard", {"dataset": "none"}, NotFound, "none"),
    ],
    ids=["no policy", "no pool", "no such pool", "another pool", "bad policy", "no dataset"],
)
def test_what_cannot_be_measured_is_known_before_anything_is(bench, tmp_path, policy, given, error, told):
    if policy.startswith("steps"):
        (tmp_path / "policy.yaml").write_text(policy)
        policy = str(tmp_path / "policy.yaml")
    with pytest.raises(error, match=told):
        run_bench(bench.client, policy, Options(shape=(8, 8, 3), **given), pytest.fail)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--size", "0"), "--size"),
        (("--size", "big"), "--size"),
        (("--size", "32x"), "--size"),
        (("--size", "9000x9000"), "--size"),
        (("--size", "32", "--dataset", "digits"), "--size"),
        (("--channels", "4"), "--channels"),
        (("--channels", "1", "--dataset", "digits"), "--channels"),
        (("--streams", "0"), "--streams"),
        (("--batch", "1,x"), "--batch"),
        (("--batch", ""), "--batch"),
        (("--seconds", "0"), "--seconds"),
        (("--count", "1"), "--count"),
        (("--count", "1000", "--seconds", "1"), "--count"),
        (("--rounds", "0"), "--rounds"),
        (("--pid", str(1 << 30)), "--pid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_options_are_refused_by_name(run, arguments, field):
    result = run("bench", "augmentation", "--json", *arguments)
    assert result.code == 2
    error = json.loads(result.err)["error"]
    assert (error["reason"], error["metadata"]["field"]) == (InvalidField.reason, field)
