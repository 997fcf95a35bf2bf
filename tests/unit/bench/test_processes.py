"""Processor time and memory of a process and of what it has started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from synthmill.bench.processes import check_process, cpu_seconds, resident_bytes
from synthmill.runtime.errors import InvalidField

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=sys.stdout)
sys.stdin.read()
child.communicate()
"""
CHILD = """
import sys, time
held = bytearray(b"x" * (64 << 20))
while time.process_time() < 0.5:
    pass
print("busy", flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="this system has no /proc")


def test_children_count():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "busy\n"
        assert cpu_seconds(parent.pid) >= 0.5
        assert resident_bytes(parent.pid) > 64 << 20
        parent.stdin.close()
    assert (cpu_seconds(parent.pid), resident_bytes(parent.pid)) == (0, 0)


def test_missing_process_is_refused():
    check_process(os.getpid())
    with pytest.raises(InvalidField):
        check_process(1 << 30)
