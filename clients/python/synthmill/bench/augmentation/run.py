"""Runs a benchmark: starts what it needs, lets the measurements take turns, ends everything again."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from synthmill.bench.augmentation.engine import ONE_THREAD, why_not_here
from synthmill.bench.augmentation.options import Options
from synthmill.bench.augmentation.probes import Parts, plan_round
from synthmill.bench.augmentation.target import Target, find_target
from synthmill.bench.machine import Machine, this_machine
from synthmill.bench.rounds import Progress, run_rounds
from synthmill.bench.statistics import Rounds
from synthmill.bench.workers import Worker

if TYPE_CHECKING:
    from synthmill.client import Client


@dataclasses.dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        policy: as it was asked for.
        target: what was measured.
        options: how.
        rounds: all figures.
        left_out: why the engine was left out; empty if it was not.
        machine: where.
    """

    policy: str
    target: Target
    options: Options
    rounds: Rounds
    left_out: str
    machine: Machine


def run_bench(client: Client, policy: str, options: Options, on_progress: Progress) -> Result:
    """Measures a policy behind the augmentation service, and in a process where the engine is installed.

    Args:
        client: where the services are.
        policy: path of a YAML file, or the name of a policy.
        options: what to measure.
        on_progress: told before each measurement.

    Raises:
        InvalidField: the policy or a record is not allowed.
        NotFound: there is no such policy or dataset.
        FailedPrecondition: the policy mixes records, and there is no pool.
    """
    machine = this_machine("grpcio", "protobuf", "numpy", "opencv-python-headless")
    target = find_target(client, policy, options)
    left_out = why_not_here(target.policy)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synthmill-bench-")))
        parts = Parts(
            task=target.to_task(folder),
            options=options,
            loads=[stack.enter_context(Worker()) for _ in range(options.processes)],
            engine=None if left_out else stack.enter_context(Worker(ONE_THREAD)),
        )
        found = run_rounds(plan_round(parts), options.rounds, options.pause_s, on_progress)
    return Result(policy, target, options, found, left_out, machine)
