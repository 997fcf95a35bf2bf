"""Several processes behind one port: how they begin, die, come back and end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.processes import PATIENCE_S, is_alive, until
from synthmill.runtime.errors import Unavailable
from synthmill.v1 import catalog_service_pb2 as pb

# Where Python finds `support`.
TESTS = Path(__file__).parents[3]


def answering(toy, times: int = 24) -> set[int]:
    return {toy.answering() for _ in range(times)}


def test_connections_are_spread_over_the_processes_and_none_goes_to_the_front(toy):
    pids = toy.pids()
    assert sorted(pids) == [0, 1]
    assert answering(toy) == set(pids.values())


def test_ready_line_is_the_only_one_and_comes_when_all_serve(start):
    toy = start(processes=3)
    assert (toy.ready["service"], toy.ready["state"]) == ("pipeline", "SERVING")
    assert len(toy.pids()) == 3
    assert toy.metrics()["synthmill_process_up", "2"] == 1
    toy.process.send_signal(signal.SIGTERM)
    assert toy.process.stdout.read() == ""


def test_metrics_of_all_are_on_one_page(toy):
    seen = answering(toy)
    found = toy.metrics()
    assert {process for _, process in found} == {"0", "1"}
    calls = [found["synthmill_requests_total", process] for process in ("0", "1")]
    assert sum(calls) >= len(seen) > 1
    assert min(calls) > 0
    assert found["synthmill_process_up", "0"] == 1
    assert found["synthmill_process_restarts_total", "0"] == 0
    assert ("process_resident_memory_bytes", "1") in found


def test_log_says_which_process_speaks(toy):
    assert {line.get("process") for line in toy.logged("serving at")} == {"0", "1", None}


def test_one_process_is_the_one_that_was_started(start):
    toy = start(processes=1)
    assert toy.pids() == {}
    assert toy.answering() == toy.process.pid


def test_zero_means_one_for_each_core(start):
    toy = start(processes=0)
    assert len(toy.pids()) == (os.cpu_count() if os.cpu_count() > 1 else 0)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_second_service_on_the_port_is_refused_and_the_first_goes_on(toy, start, processes):
    second = start("--port", toy.port, "--processes", processes)
    assert second.process.wait(PATIENCE_S) == 1
    assert not second.ready
    assert answering(toy) == set(toy.pids().values())


def test_port_of_a_service_of_one_process_is_refused(start):
    first = start(processes=1)
    second = start("--port", first.port)
    assert second.process.wait(PATIENCE_S) == 1
    assert second.logged("cannot be listened on")


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--processes", "many"), "--processes: got 'many'"),
        (("--processes", "257"), "processes: got 257, allowed: 0 to 256"),
        (("--processes", "-1"), "processes: got -1"),
        (("--drain-grace-s", "nan"), "--drain-grace-s"),
    ],
)
def test_bad_settings_end_the_start_with_status_2(flags, named):
    command = [sys.executable, "-m", "support.toy_processes", *flags]
    ended = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert named in ended.stderr


def test_process_that_cannot_begin_ends_the_others_and_the_front(start, tmp_path):
    (tmp_path / "broken").touch()
    toy = start("--broken", str(tmp_path / "broken"))
    assert toy.process.wait(PATIENCE_S) == 1
    assert not toy.ready
    assert toy.logged("has ended with status 2 before it served")
    assert not list(tmp_path.glob("synthmill-*"))


def test_process_that_dies_is_started_again_after_pauses_that_grow(start, tmp_path):
    broken = tmp_path / "broken"
    toy = start("--broken", str(broken))
    before = toy.pids()
    broken.touch()
    os.kill(before[1], signal.SIGKILL)
    until(lambda: len(toy.logged("it is started again in")) >= 3)
    assert toy.metrics()["synthmill_process_up", "1"] == 0
    # The other one serves meanwhile.
    assert answering(toy, 5) == {before[0]}
    broken.unlink()
    until(lambda: toy.metrics()["synthmill_process_up", "1"])
    messages = [line["message"] for line in toy.logged("it is started again in")]
    assert messages[0] == "process 1 was ended by SIGKILL; it is started again in 0.2 s"
    assert [message.split()[-2] for message in messages[:3]] == ["0.2", "0.4", "0.8"]
    assert "has ended with status 2" in messages[1]
    after = toy.pids()
    assert answering(toy) == set(after.values())
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert toy.metrics()["synthmill_process_restarts_total", "1"] >= 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain_ends_streams_with_their_position_after_health_has_changed(start, number):
    toy = start()
    pids = toy.pids()
    seen: list[int] = []
    with toy.stub() as stub, grpc.insecure_channel(toy.address) as channel:
        health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        assert next(health).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(Unavailable) as caught:
            for answer in stub.ReadRecords(pb.ReadRecordsRequest(count=10_000), timeout=PATIENCE_S):
                seen.append(answer.first_index)
                if len(seen) == 10:
                    toy.process.send_signal(number)
        assert caught.value.metadata["next_index"] == str(len(seen))
        assert next(health).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert toy.process.wait(PATIENCE_S) == 0
    assert not any(map(is_alive, pids.values()))
    assert {line.get("process") for line in toy.logged("draining")} == {"0", "1", None}


def test_processes_end_when_the_front_is_killed(start, tmp_path):
    toy = start()
    pids = toy.pids()
    began = time.monotonic()
    with toy.stub() as stub:
        stream = stub.ReadRecords(pb.ReadRecordsRequest(count=10_000), timeout=PATIENCE_S)
        next(stream)
        os.kill(toy.process.pid, signal.SIGKILL)
        with pytest.raises(Unavailable) as caught:
            for _ in stream:
                pass
    # In order, as an operator would have it: the stream says where to go on.
    assert "next_index" in caught.value.metadata
    until(lambda: not any(map(is_alive, pids.values())))
    assert time.monotonic() - began < 5
    assert not list(tmp_path.glob("synthmill-*"))
    # The port is free for another front.
    assert start("--port", toy.port).port == toy.port


def test_what_they_share_is_for_their_user_alone_and_gone_with_them(start, tmp_path):
    toy = start()
    (folder,) = tmp_path.glob("synthmill-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["0.sock", "1.sock"]
    assert toy.end() == 0
    assert not folder.exists()
