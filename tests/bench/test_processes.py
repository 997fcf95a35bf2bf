"""What several processes behind one port bring, and what they cost, on this machine."""

from __future__ import annotations

import pytest
from bench import several
from bench.lab import Lengths, running_lab

from support.processes import serving_processes
from synthmill.bench.processes import cpu_seconds

LENGTHS = Lengths.from_environment()

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_two_processes_beside_one(tmp_path_factory):
    with (
        running_lab(tmp_path_factory.mktemp("one"), LENGTHS, flags="--processes 1") as one,
        running_lab(tmp_path_factory.mktemp("two"), LENGTHS, flags="--processes 2") as two,
    ):
        found = several.measure([one, two])
        # Each of the two has had its part of the connections.
        used_s = [cpu_seconds(pid) for pid in serving_processes(two.sampling_pid).values()]
    print(f"\n{several.report(found)}")
    assert len(used_s) == 2
    assert min(used_s) > 0.2 * max(used_s)
    requests = [figures for key, rounds in found.items() if key[0] == "requests" for pair in rounds for figures in pair]
    assert not sum(figures["failed"] + figures["refused"] for figures in requests)
