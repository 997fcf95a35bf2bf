"""Which execution provider is chosen, and what is said about it."""

from __future__ import annotations

import pytest

from synthmill.runtime.errors import BadGraph, DataLoss
from synthmill.sampling.batches import CPU_LIMITS, GPU_LIMITS
from synthmill.sampling.hardware import CPU, CUDA, KNOWN, PREFERENCE, TENSORRT
from synthmill.sampling.providers import TRAITS, Attempt, use_first


class FakeRunner:
    """Something that was opened.

    Attributes:
        closed: whether it was closed.
    """

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def attempt(provider: str, title: str = "", error: Exception | None = None) -> Attempt:
    def open_graph(graph: bytes) -> FakeRunner:
        if error:
            raise error
        return FakeRunner()

    return Attempt(provider, title or provider, open_graph)


def chosen(*attempts: Attempt, available=KNOWN):
    return use_first(b"graph", attempts, lambda runner, choice: choice, available)


def test_first_that_starts_is_taken():
    found = chosen(attempt(CUDA), attempt(CPU, error=AssertionError("not needed")))
    assert (found.name, found.reason) == (CUDA, "first choice")


def test_reason_names_those_before_and_what_they_failed_of():
    found = chosen(
        attempt(TENSORRT),
        attempt(CUDA, f"{CUDA} with CUDA graphs", RuntimeError("no device")),
        attempt(CPU),
        available=[CUDA, CPU],
    )
    assert found.name == CPU
    assert found.reason == f"{TENSORRT}: not part of this ONNX Runtime; {CUDA} with CUDA graphs: no device"


def test_ways_that_fail_of_the_same_are_told_together():
    found = chosen(attempt(CUDA, "with"), attempt(CUDA, "without"), attempt(CPU), available=[CPU])
    assert found.reason == "with, without: not part of this ONNX Runtime"


def test_provider_that_starts_but_does_not_compute_is_closed_and_the_next_one_taken():
    used = []

    def use(runner, choice):
        used.append((runner, choice))
        if choice.name == CUDA:
            raise RuntimeError("out of memory")
        return choice

    assert "out of memory" in use_first(b"graph", [attempt(CUDA), attempt(CPU)], use, KNOWN).reason
    assert [(runner.closed, choice.name) for runner, choice in used] == [(True, CUDA), (False, CPU)]


def test_graph_that_is_unfit_whatever_it_runs_on_is_refused_at_once():
    runners = []

    def use(runner, choice):
        runners.append(runner)
        raise DataLoss("damaged")

    with pytest.raises(DataLoss):
        use_first(b"graph", [attempt(CUDA), attempt(CPU)], use, KNOWN)
    assert [runner.closed for runner in runners] == [True]


def test_graph_that_nothing_can_run_is_refused():
    with pytest.raises(BadGraph, match="CPUExecutionProvider: no kernel"):
        chosen(attempt(CPU, error=RuntimeError("no kernel")))


def test_long_reasons_keep_their_end():
    error = RuntimeError("/a/source.cc:12 of(everything)\n" * 100 + "what is the matter")
    assert chosen(attempt(CUDA, error=error), attempt(CPU)).reason.endswith("what is the matter")
    assert len(chosen(attempt(CUDA, error=error), attempt(CPU)).reason) < 400


def test_every_provider_has_traits_and_only_a_gpu_large_batches():
    assert set(TRAITS) == set(KNOWN)
    assert TRAITS[CPU].limits == CPU_LIMITS
    assert {TRAITS[name].limits for name in (CUDA, TENSORRT)} == {GPU_LIMITS}
    assert PREFERENCE[-1] == CPU
