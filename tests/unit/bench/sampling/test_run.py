"""The whole benchmark, over real services."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image
from unit.bench.sampling.conftest import MODEL

from synthmill.bench.machine import core_count
from synthmill.bench.sampling.options import Options
from synthmill.bench.sampling.run import fastest_of_each, run_bench, settings_to_try
from synthmill.runtime.errors import FailedPrecondition, InvalidField, NotFound

SHORT = ("--rounds", "2", "--seconds", "0.2", "--streams", "1,2", "--concurrency", "1,3", "--rate", "100,0.5x")
CHILDREN = Path(f"/proc/self/task/{Path('/proc/self').resolve().name}/children")


def test_command_measures_the_service_and_what_it_is_made_of(bench, run, tmp_path):
    plot = tmp_path / "bench.png"
    result = run("bench", "sampling", "dense", *bench.addresses, *SHORT, "--plain", bench.plain, "--batch", "256",
                 "--pid", bench.pid, "--plot", plot, "--json")  # fmt: skip
    assert result.code == 0, result.err
    found = result.json
    assert found["model"] == f"{MODEL}/versions/1"
    assert found["provider"] == "CPUExecutionProvider"
    assert len(found["rounds"]) == 2
    _check_medians(found["medians"])
    _check_shares(found["shares"])
    with Image.open(plot) as picture:
        assert picture.width > 1000


def _check_medians(medians: dict[str, dict[str, float]]) -> None:
    assert {key.rpartition("/")[0] for key in medians} == {
        *("stream/raw", "stream/sdk", "stream/pipe", "onnx/sampler", "onnx/plain"),
        *("closed/service", "closed/echo", "open/service", "single"),
    }
    for key, figures in medians.items():
        if key.startswith(("closed/", "open/")):
            assert (key, figures["failed"], figures["refused"]) == (key, 0, 0)
            assert figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
            assert figures["requests_per_s"] < figures["samples_per_s"] < 16 * figures["requests_per_s"]
        if key.startswith(("stream/raw", "stream/sdk", "onnx/")):
            assert figures["samples_per_s"] > 1000
    raw = medians["stream/raw/1"]
    assert raw["bytes_per_s"] / raw["samples_per_s"] == pytest.approx(8 * 8, rel=0.02)
    assert medians["open/service/100"]["offered_per_s"] == pytest.approx(100, rel=0.7)


def _check_shares(shares: dict[str, float]) -> None:
    for streams in (1, 2):
        for other in ("onnx", "onnx per cpu", "plain", "pipe"):
            assert shares[f"stream/raw/{streams} of {other}"] > 0
    assert shares["closed/service/3 of echo"] > 0
    assert shares["closed/service/3 of echo per cpu"] > 0
    assert shares["onnx/sampler of plain"] > 0
    assert shares["single/service over onnx"] > shares["single/service over echo"]


def test_command_prints_tables(bench, run):
    result = run("bench", "sampling", "dense/versions/1", *bench.addresses, "--rounds", "1", "--seconds", "0.2",
                 "--streams", "1", "--concurrency", "2")  # fmt: skip
    assert result.code == 0, result.err
    head, *sections = result.out.strip().split("\n\n")
    assert head.startswith(f"{MODEL}/versions/1 (image [8, 8, 1]) on CPUExecutionProvider")
    assert [section.split("  ")[0] for section in sections] == [
        *("THROUGHPUT", "ONE SAMPLE, ONE CLIENT", "CLIENTS", "AT RANDOM TIMES"),
    ]


@pytest.mark.skipif(not CHILDREN.exists(), reason="this kernel does not tell a process's children")
def test_no_process_is_left_behind(bench):
    before = CHILDREN.read_text()

    def stop(done: int, total: int, phase: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    options = Options(parts=("closed",), concurrency=(1, 2), seconds=0.1, rounds=1)
    with pytest.raises(KeyboardInterrupt):
        run_bench(bench.client, MODEL, options, stop)
    assert CHILDREN.read_text() == before


def test_unknown_model_is_not_found(bench):
    with pytest.raises(NotFound):
        run_bench(bench.client, "models/none", Options(), lambda *_: None)


def test_missing_packages_are_named_before_anything_is_measured(bench, run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    plotting = run("bench", "sampling", "dense", *bench.addresses, "--plot", tmp_path / "x.png")
    assert plotting.code == 6
    assert "pip install matplotlib" in plotting.err
    with pytest.raises(FailedPrecondition, match="pip install onnxruntime"):
        run_bench(bench.client, MODEL, Options(onnx=True), lambda *_: None)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--parts", "stream,upload"), "--parts"),
        (("--concurrency", "1,x"), "--concurrency"),
        (("--streams", "0"), "--streams"),
        (("--batch", ""), "--batch"),
        (("--count", "16-1"), "--count"),
        (("--count", "few"), "--count"),
        (("--rate", "0x"), "--rate"),
        (("--rate", "fast"), "--rate"),
        (("--plain", "missing.onnx"), "--plain"),
        (("--rounds", "0"), "--rounds"),
        (("--pid", str(1 << 30)), "--pid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_options_are_refused_by_name(run, arguments, field):
    result = run("bench", "sampling", "dense", "--json", *arguments)
    assert result.code == 2
    error = json.loads(result.err)["error"]
    assert (error["reason"], error["metadata"]["field"]) == (InvalidField.reason, field)


def test_every_way_to_divide_the_processors_stays_in_the_rounds():
    """A way that looked slow in a short trial may be the fastest, so none is dropped for it alone."""
    tried = settings_to_try("x", [16, 1024], 4)
    rates = {setting: setting.batch + 10 * setting.sessions + setting.bound for setting in tried}
    kept = fastest_of_each(rates)
    assert [(setting.threads, setting.sessions) for setting in kept] == [(1, 4), (2, 2), (4, 1)]
    assert {(setting.batch, setting.bound) for setting in kept} == {(1024, True)}


def test_settings_use_all_processors_in_every_way():
    tried = {(setting.threads, setting.sessions) for setting in settings_to_try("x", [64], 4)}
    assert tried == {(1, 4), (2, 2), (4, 1)}
    assert all(
        setting.threads * setting.sessions == core_count() for setting in settings_to_try("x", [1], core_count())
    )
