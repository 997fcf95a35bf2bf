"""The GPUs of this machine, beside what the driver's own command says of them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from synthmill.runtime.reporting.devices import read_devices

QUERY = "--query-gpu=uuid,name,memory.total"
HAS_DRIVER = shutil.which("nvidia-smi") is not None


@pytest.mark.skipif(HAS_DRIVER, reason="there is a driver here")
def test_without_a_driver_there_are_no_devices():
    assert read_devices() == []


@pytest.mark.skipif(not HAS_DRIVER, reason="needs a GPU: there is no nvidia-smi")
def test_devices_are_those_that_the_driver_lists():
    listed = subprocess.run(["nvidia-smi", QUERY, "--format=csv,noheader,nounits"], capture_output=True, check=True)
    expected = [tuple(line.split(", ")) for line in listed.stdout.decode().splitlines()]
    assert expected
    devices = read_devices()
    assert [(device.id, device.name) for device in devices] == [(uuid, name) for uuid, name, _ in expected]
    for device, (_, _, total_mib) in zip(devices, expected, strict=True):
        assert abs(device.memory_total_bytes / 2**20 - int(total_mib)) < 1
        assert 0 < device.memory_used_bytes <= device.memory_total_bytes
        assert 0 <= device.utilization <= 1
