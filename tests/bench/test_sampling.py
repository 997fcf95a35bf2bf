"""What the sampling service keeps of the speed of its parts, and how it stands under loads that are too much.

Lengths can be set, see `bench.lab.Lengths`; figures once measured are in RESULTS.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bench import cancelled, overload, stalled
from bench.lab import Lab, Lengths, running_lab

from synthmill.bench.sampling import report
from synthmill.cli.output import table

LENGTHS = Lengths.from_environment()
UNBATCHED = "--batch-requests false"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800 + LENGTHS.overload_s + LENGTHS.soak_s)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), LENGTHS) as lab:
        yield lab


def test_stream_of_a_compute_bound_model_is_as_fast_as_onnx_runtime(lab):
    shares = _streamed(lab, "conv28")
    assert _best(shares, "onnx") >= 0.97


def test_stream_of_a_pipe_bound_model_is_as_fast_as_onnx_runtime_or_the_pipe(lab):
    shares = _streamed(lab, "mlp32")
    assert max(_best(shares, "onnx"), _best(shares, "pipe")) >= 0.9
    assert shares["onnx/sampler of plain"] >= 0.4


def test_single_request_costs_less_than_a_millisecond_more_than_onnx_runtime(lab):
    result = lab.bench("mlp32", parts=("single",), onnx=True)
    _show(report.to_text(result, table))
    assert report.shares(result)["single/service over onnx"] < 1000


def test_many_clients_get_most_of_what_a_bare_server_gives(lab):
    result = lab.bench("mlp32", parts=("closed",), concurrency=(64,))
    _show(report.to_text(result, table))
    assert report.shares(result)["closed/service/64 of echo"] >= 0.8


def test_batching_is_worth_it(lab, tmp_path):
    """The service with and without putting requests together, in turns."""
    pairs = []
    with running_lab(tmp_path, LENGTHS, ["conv28"], f"{LENGTHS.flags} {UNBATCHED}") as single:
        for _ in range(LENGTHS.rounds):
            found = [each.bench("conv28", parts=("closed",), concurrency=(64,), rounds=1) for each in (lab, single)]
            pairs.append([each.rounds.figures[0]["closed/service/64"] for each in found])
    gains = sorted(together["requests_per_s"] / alone["requests_per_s"] for together, alone in pairs)
    slower = sorted(together["p99_ms"] / alone["p99_ms"] for together, alone in pairs)
    gain, ratio = gains[len(gains) // 2], slower[len(slower) // 2]
    _show(
        f"  64 clients of conv28: {gain:.2f} times the requests a second, p99 {ratio:.2f} times that without batching"
    )
    assert gain >= 1.2
    assert ratio <= 1.0


def test_overload_is_shed_and_the_rest_answered(lab):
    found = overload.measure(lab, "conv28")
    _show(overload.report(found))
    assert found["goodput_share"] >= 0.85
    assert found["overload"]["refused_p50_ms"] < 50
    assert found["overload"]["failed"] == 0


def test_stalled_readers_cost_little_and_hurt_nobody(lab):
    found = stalled.measure(lab, "mlp32")
    _show(stalled.report(found))
    assert found["mib_per_reader"] < 12
    assert found["ratio"] <= 2
    assert found["failed"] == 0


def test_cancelled_streams_leave_nothing(lab):
    found = cancelled.measure(lab, "conv28")
    _show(cancelled.report(found))
    assert found["free"]["p99_ms"] <= found["batch_ms"] + 100
    if found["seconds"] >= 600:
        assert found["grown_mib"] < 8


def _streamed(lab: Lab, model: str) -> dict[str, float]:
    result = lab.bench(model, parts=("stream",), onnx=True, plain=lab.plain[model], streams=(1, 2))
    _show(report.to_text(result, table))
    return report.shares(result)


def _best(shares: dict[str, float], of: str) -> float:
    return max(share for name, share in shares.items() if name.startswith("stream/raw/") and name.endswith(f" of {of}"))


def _show(text: str) -> None:
    print(f"\n{text}")
