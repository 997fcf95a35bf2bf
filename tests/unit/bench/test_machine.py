"""What is told of the machine."""

from __future__ import annotations

import dataclasses
import platform

from synthmill.bench.machine import core_count, this_machine


def test_machine_is_described_with_what_is_installed():
    machine = this_machine("numpy", "no-such-package")
    assert machine.processor
    assert machine.cores == core_count() >= 1
    assert list(machine.versions) == ["synthmill", "python", "numpy"]
    assert machine.versions["python"] == platform.python_version()


def test_busy_machine_is_told():
    machine = dataclasses.replace(this_machine(), cores=4, load=0.1)
    assert "busy" not in machine.to_text()
    assert "load average 3.0" in dataclasses.replace(machine, load=3.0).to_text()
