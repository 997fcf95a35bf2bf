"""Freed memory that stays: what a process of its own notices of it."""

from __future__ import annotations

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
