"""Settings of the augmentation service that this machine cannot meet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.gpu import why_no_cuda

START_WITHIN_S = 60


def start(*flags: str, store) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synthmill.augmentation", "--port", "0", "--store", str(store), *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=START_WITHIN_S)


def test_an_accelerator_that_is_none_is_refused(tmp_path):
    ended = start("--accelerator", "gpu", store=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "augmentation: accelerator: got 'gpu', allowed: one of cpu, cuda, auto\n"


@pytest.mark.skipif(not why_no_cuda(), reason="CUDA is there, and starts")
def test_cuda_that_is_not_there_is_told_in_a_line(tmp_path):
    ended = start("--accelerator", "cuda", store=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("augmentation: CUDAExecutionProvider did not start: ")
    assert "synthmill[augmentation-gpu]" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
