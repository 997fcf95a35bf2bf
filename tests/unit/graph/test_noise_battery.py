"""The words behind the noise before the dieharder battery: the bits that reach the noise, index by index."""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import IO

import numpy as np
import pytest

from synthmill.learning.graph.noise import noise_words

DIEHARDER = shutil.which("dieharder")
RAW_BYTES_FROM_STDIN = "200"
# Diehard's own, the NIST suite's, and those of Brown and Bauer that look at tuples, permutations, lags and long words.
TESTS = [*range(5), *range(5, 18), 100, 101, 102, 200, 202, 203, 204, 205, 206, 207, 208, 209]
ROWS = 1 << 14

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(DIEHARDER is None, reason="dieharder is not installed: apt-get install dieharder"),
]


@pytest.mark.parametrize("test", TESTS)
def test_battery_finds_nothing(test):
    report = judge("-d", str(test))
    verdicts = [line.split("|")[-1].strip() for line in report.splitlines() if line.count("|") == 5]
    assert verdicts
    assert "FAILED" not in verdicts, report


def judge(*arguments: str) -> str:
    """Runs dieharder over the words of seed 0; a verdict that is in doubt is looked into until it is not."""
    command = [DIEHARDER, "-g", RAW_BYTES_FROM_STDIN, "-k", "2", "-Y", "1", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False) as process:
        threading.Thread(target=feed, args=(process.stdin,), daemon=True).start()
        return process.stdout.read().decode()


def feed(pipe: IO[bytes]) -> None:
    """Writes the upper 24 bits of the words of one index after another until nobody reads any more."""
    first = 0
    try:
        while True:
            words = np.stack(noise_words(0, np.arange(first, first + ROWS), 64), axis=-1)
            pipe.write(words.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes())
            first += ROWS
    except (BrokenPipeError, ValueError):
        return
