"""NVIDIA's bindings as they are used here: on a machine without a GPU they say that there is none."""

from __future__ import annotations

import numpy as np
import pytest

from synthmill.sampling.device import DeviceError

cuda_device = pytest.importorskip("synthmill.sampling.cuda_device", reason="needs cuda-bindings", exc_type=ImportError)


def count() -> int:
    try:
        return cuda_device.device_count()
    except DeviceError:
        return 0


def test_missing_gpu_is_told_by_name_and_in_words():
    with pytest.raises(DeviceError, match=r"^cudaError\w+: [A-Za-z]|^there is no GPU 4096, only \d+$"):
        cuda_device.CudaDevice(4096).open()


def test_device_that_did_not_open_can_be_closed_and_tried_again():
    device = cuda_device.CudaDevice(4096)
    for _ in range(2):
        with pytest.raises(DeviceError):
            device.open()
        device.settle()
        device.close()


@pytest.mark.skipif(not count(), reason="needs a CUDA device")
def test_bytes_come_back_as_they_were_sent():
    device = cuda_device.CudaDevice(0)
    device.open()
    block, mark = device.allocate(1 << 20), device.make_mark()
    sent = np.random.default_rng(0).integers(256, size=1 << 20, dtype=np.uint8)
    block.host[:] = sent
    device.upload(block)
    # Twice: what comes back first may not have left.
    for _ in range(2):
        device.download(block, mark)
        device.wait(mark)
        assert (block.host == sent).all()
        block.host[:] = 0
    assert "compute capability" in device.hardware
    assert device.compute_stream
    device.free(block)
    device.settle()
    device.close()


@pytest.mark.skipif(not count(), reason="needs a CUDA device")
def test_capture_that_was_left_half_way_does_not_outlive_the_device():
    from cuda.bindings import runtime

    device = cuda_device.CudaDevice(0)
    device.open()
    block = device.allocate(256)
    mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeGlobal
    assert runtime.cudaStreamBeginCapture(device.compute_stream, mode) == (runtime.cudaError_t.cudaSuccess,)
    device.settle()
    device.free(block)
    device.close()
