"""Starts a peer, lets clients ask it for whole batches over HTTP, and ends it: `PEERS` has those there are.

The clients are a process of their own: `python -m bench.peers.driving PORT PATH BODY SECONDS CLIENTS PID` prints the
bytes that arrive in a second, and those per second of the server's processor time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from synthmill.bench.processes import cpu_seconds

FOLDER = Path(__file__).parent
TESTS = str(FOLDER.parents[1])
MODEL = "SYNTHMILL_PEER_MODEL"
CLIENTS = 2
_READY_WITHIN_S = 120.0
_ENDS_WITHIN_S = 30.0
_WARM_CALLS = 3


@dataclasses.dataclass(frozen=True)
class Peer:
    """A server that can do what Synthmill's stream does, over HTTP.

    Attributes:
        title: its name, for people.
        script: file that runs it.
        path: where it answers.
        body: what asks it for {count} samples.
        flags: more of its command line.
    """

    title: str
    script: str
    path: str
    body: str = "{count}"
    flags: tuple[str, ...] = ()

    def request(self, count: int) -> str:
        """Returns what asks for so many samples."""
        return self.body.replace("{count}", str(count))


PEERS = {
    "mosec": Peer("mosec", "mosec_server.py", "/inference", flags=("--timeout", "120000")),
    "litserve": Peer("LitServe", "litserve_server.py", "/predict", json.dumps({"count": "{count}"})),
    "rayserve": Peer("Ray Serve", "ray_server.py", "/"),
}


def measure(python: str, peer: Peer, model: Path, log: Path, batch: int, seconds: float) -> tuple[float, float]:
    """Runs a peer with a generator, and lets two clients ask it.

    Args:
        python: of the peers' environment.
        peer: which one.
        model: the generator.
        log: where its output goes.
        batch: samples of a request.
        seconds: how long to ask.

    Returns:
        Bytes of samples a second, and per second of the peer's processor time.

    Raises:
        RuntimeError: the peer did not start, or the clients failed.
    """
    with _running(python, peer, model, log) as (port, pid):
        arguments = [str(port), peer.path, peer.request(batch), str(seconds), str(CLIENTS), str(pid)]
        done = subprocess.run(
            [sys.executable, "-m", "bench.peers.driving", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": TESTS},
            timeout=_READY_WITHIN_S + 10 * seconds,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"clients of {peer.title} failed: {done.stderr[-2000:]}")
    rate, per_cpu = map(float, done.stdout.split())
    return rate, per_cpu


def receive_rate(port: int, path: str, body: str, seconds: float, clients: int, pid: int) -> tuple[float, float]:
    """Lets clients ask, each as soon as it has its answer; returns what `measure` does."""
    received, failures = [0] * clients, []
    barrier = threading.Barrier(clients + 1)

    def run(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_READY_WITHIN_S)
        try:
            for _ in range(_WARM_CALLS):
                _ask(connection, path, body)
            barrier.wait()
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                received[number] += len(_ask(connection, path, body))
        except Exception as error:
            failures.append(error)
            barrier.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait()
    begin, used_s = time.perf_counter(), cpu_seconds(pid)
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    elapsed_s, used_s = time.perf_counter() - begin, cpu_seconds(pid) - used_s
    return sum(received) / elapsed_s, sum(received) / used_s


@contextlib.contextmanager
def _running(python: str, peer: Peer, model: Path, log: Path) -> Iterator[tuple[int, int]]:
    """Runs a peer for the length of a with block, and returns its port and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, MODEL: str(model), "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("PYTHONPATH", None)
    command = [python, str(FOLDER / peer.script), "--port", str(port), *peer.flags]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=FOLDER, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_ready(process, peer, port, log)
        yield port, process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDS_WITHIN_S)
        # What it has started must not stay, and be measured with the next one.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(process: subprocess.Popen, peer: Peer, port: int, log: Path) -> None:
    end = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_READY_WITHIN_S)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            if _ask(connection, peer.path, peer.request(1)):
                return
        time.sleep(0.3)
    raise RuntimeError(f"{peer.title} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _ask(connection: http.client.HTTPConnection, path: str, body: str) -> bytes:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise http.client.HTTPException(f"{answer.status}: {data[:200]!r}")
    return data


if __name__ == "__main__":
    given = sys.argv[1:]
    print(*receive_rate(int(given[0]), given[1], given[2], float(given[3]), int(given[4]), int(given[5])))
