"""Two sampling replicas of one thread each beside one of them: samples a second of the generator bound by compute."""

from __future__ import annotations

import hashlib
import threading
import time
from statistics import median

import pytest
from bench.lab import Lengths, running_lab

from synthmill.client import Client

LENGTHS = Lengths.from_environment()
FLAGS = "--workers 1 --threads 1"
MODEL = "conv28"
STREAMS = 4
COMPARED = 20_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def samples_per_s(client: Client, seconds: float) -> float:
    """Reads streams for a while, after a while that does not count, and returns what came each second."""
    counts, begin = [0] * STREAMS, time.monotonic() + seconds / 4
    end = begin + seconds

    def read(stream: int) -> None:
        batches = client.sampling.iter_batches(MODEL, 1 << 40, seed=stream)
        for batch in batches:
            now = time.monotonic()
            if now > end:
                break
            counts[stream] += batch.count if now > begin else 0
        batches.close()

    threads = [threading.Thread(target=read, args=(stream,)) for stream in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def digest(client: Client) -> str:
    """Returns the digest of a stream's samples."""
    found = hashlib.sha256()
    for batch in client.sampling.iter_batches(MODEL, COMPARED, seed=7):
        for column in batch.columns.values():
            found.update(column.tobytes())
    return found.hexdigest()


def test_two_replicas_beside_one(tmp_path):
    with running_lab(tmp_path, LENGTHS, [MODEL], FLAGS) as lab:
        lab.cluster.add("sampling", "other", FLAGS.split())
        first, other = (lab.cluster.address(name) for name in ("sampling", "other"))
        with (
            Client(sampling_address=first) as one,
            Client(sampling_address=f"ipv4:{first},{other}") as two,
            Client(sampling_address=other) as second,
        ):
            assert digest(one) == digest(two) == digest(second)
            rounds = [[samples_per_s(client, LENGTHS.seconds) for client in (one, two)] for _ in range(LENGTHS.rounds)]
    single, double = (median(side) for side in zip(*rounds, strict=True))
    ratio = median(both / alone for alone, both in rounds)
    print(f"\n  {MODEL}: one replica {single:,.0f}, two {double:,.0f} samples a second, {ratio:.2f} times; same bytes")
    assert ratio > 1.2
