"""Memory that stays when it is freed, and memory that is bounded: what a process of its own notices of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_MESSAGES = """
import resource, sys
from synthmill.runtime.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
parts = [bytes(1 << 17)] * 8
def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        held = [b"".join(parts) for _ in range(4)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(4)
print(faults(50))
"""


def page_faults(mode: str) -> int:
    done = subprocess.run([sys.executable, "-c", _MESSAGES, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has mallopt")
def test_messages_are_made_in_memory_that_is_there_already():
    assert page_faults("kept") < 200 < 10_000 < page_faults("default")


_GREEDY = """
import sys
import numpy as np
from synthmill.runtime.errors import ResourceExhausted
from synthmill.runtime.memory import bounded_memory
try:
    with bounded_memory(int(sys.argv[1])):
        np.ones(400 << 20, np.uint8)
except ResourceExhausted as error:
    print(error.metadata["field"])
else:
    print("taken")
np.ones(400 << 20, np.uint8)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone counts what is mapped as data")
@pytest.mark.parametrize(("limit_mb", "told"), [(300, "job_memory_mb"), (2000, "taken"), (0, "taken")])
def test_memory_beyond_the_bound_is_refused_and_the_bound_ends_with_the_block(limit_mb, told):
    command = [sys.executable, "-c", _GREEDY, str(limit_mb)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.stdout == f"{told}\n"
