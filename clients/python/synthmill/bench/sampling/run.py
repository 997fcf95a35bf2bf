"""Runs a benchmark: starts what it needs, lets the measurements take turns, ends everything again."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthmill.bench.machine import Machine, core_count, this_machine
from synthmill.bench.rounds import Probe, Progress, run_rounds
from synthmill.bench.sampling import probes
from synthmill.bench.sampling.onnx_loop import Setting
from synthmill.bench.sampling.options import Options
from synthmill.bench.sampling.probes import Parts
from synthmill.bench.sampling.target import Target, fetch_graph, find_target
from synthmill.bench.statistics import Rounds
from synthmill.bench.workers import READY_WITHIN_S, Process, Worker
from synthmill.runtime.errors import FailedPrecondition

if TYPE_CHECKING:
    from synthmill.client import Client

_LONGEST_TRIAL_S = 0.7
_TRIALS = 2
_DIVISIONS_KEPT = 3
_CPU = "CPUExecutionProvider"


@dataclasses.dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        target: what was measured.
        options: how.
        rounds: all figures.
        settings: settings of the bare ONNX Runtime loops by measurement, for people.
        machine: where.
    """

    target: Target
    options: Options
    rounds: Rounds
    settings: dict[str, str]
    machine: Machine


def run_bench(client: Client, model: str, options: Options, on_progress: Progress) -> Result:
    """Measures a model behind the sampling service.

    Args:
        client: where the services are.
        model: NAME, or NAME/versions/N.
        options: what to measure.
        on_progress: told before each measurement.

    Raises:
        NotFound: there is no such model.
        FailedPrecondition: something that is asked for needs a package that is not installed.
    """
    if options.onnx and importlib.util.find_spec("onnxruntime") is None:
        raise FailedPrecondition("the bare ONNX Runtime loop needs onnxruntime: pip install onnxruntime")
    machine = this_machine("grpcio", "protobuf", "numpy", "onnxruntime")
    target = find_target(client, model)
    with contextlib.ExitStack() as stack:
        pipe = stack.enter_context(Process("synthmill.bench.sampling.pipe"))
        parts = Parts(
            target=target,
            options=options,
            pipe=pipe.receive(READY_WITHIN_S)["address"],
            pipe_pid=pipe.pid,
            loads=[stack.enter_context(Worker()) for _ in range(options.processes)],
            sdk=stack.enter_context(Worker()),
            onnx=stack.enter_context(Worker()) if options.onnx else None,
        )
        graphs = {}
        if options.onnx:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synthmill-bench-")))
            graphs["sampler"] = str(fetch_graph(client, target, folder))
            if options.plain is not None:
                graphs["plain"] = str(options.plain.resolve())
        # Streams are compared with the fastest loop; a single sample needs no search for it.
        looped = graphs if "stream" in options.parts else {}
        settings = {name: _best_settings(parts, path, name, on_progress) for name, path in looped.items()}
        plan = _plan(parts, settings, graphs.get("sampler"))
        found = run_rounds(plan, options.rounds, options.pause_s, on_progress)
    titles = {f"onnx/{name}/{n}": kept.title for name, chosen in settings.items() for n, kept in enumerate(chosen)}
    return Result(target, options, found, titles, machine)


def settings_to_try(path: str, batches: Sequence[int], cores: int, provider: str = _CPU) -> list[Setting]:
    """Returns the settings of a bare loop that use all processors, in every way to divide them."""
    divided = [(threads, cores // threads) for threads in range(1, cores + 1) if cores % threads == 0]
    return [
        Setting(path, threads, sessions, batch, bound, provider)
        for batch in batches
        for threads, sessions in divided
        for bound in (False, True)
    ]


def fastest_of_each(rates: Mapping[Setting, float]) -> list[Setting]:
    """Returns the fastest setting of each way to divide the processors, the fastest ways first.

    Trials are short, and other processes may have slowed down what is best: so every round measures several ways, and
    the best of them counts.
    """
    found: dict[tuple[int, int], Setting] = {}
    for setting in sorted(rates, key=rates.__getitem__, reverse=True):
        found.setdefault((setting.threads, setting.sessions), setting)
    return list(found.values())[:_DIVISIONS_KEPT]


def _best_settings(parts: Parts, path: str, name: str, on_progress: Progress) -> list[Setting]:
    """Tries all settings of a graph and returns the fastest one of each way to divide the processors."""
    settings = settings_to_try(path, parts.options.batches, core_count(), parts.target.provider)
    rates = dict.fromkeys(settings, 0.0)
    trial_s = min(_LONGEST_TRIAL_S, parts.options.seconds)
    for trial in range(_TRIALS):
        for number, setting in enumerate(settings):
            on_progress(trial * len(settings) + number, _TRIALS * len(settings), f"{name}, {setting.title}")
            rates[setting] = max(rates[setting], probes.loop_rate(parts, setting, trial_s)["samples_per_s"])
    return fastest_of_each(rates)


def _plan(parts: Parts, settings: dict[str, list[Setting]], graph: str | None) -> list[Probe]:
    """Returns the measurements of a round; those that are compared stand next to each other."""
    asked, plan = parts.options.parts, []
    for name, chosen in settings.items():
        plan += probes.onnx_probes(parts, name, chosen)
    if "stream" in asked:
        plan += probes.stream_probes(parts)
    if "single" in asked:
        plan += probes.single_probes(parts, graph)
    if "closed" in asked:
        plan += probes.closed_probes(parts)
    if "open" in asked:
        if "closed" not in asked and any(rate.endswith("x") for rate in parts.options.rates):
            plan.append(probes.peak_probe(parts))
        plan += probes.open_probes(parts)
    return plan
